//! The program `claw-companion-window`.
#![windows_subsystem = "windows"]

fn main() -> anyhow::Result<()> {
    claw_companion_window::run()
}
