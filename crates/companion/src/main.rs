//! `claw-companion`: the companion that runs all day, and the command line that talks to it.
//!
//! May touch the desktop (tray, notifications, the window's process) and the terminal. It starts and connects the
//! parts; rules live in the core.

mod cli;
mod desktop;
mod icons;
mod narrate;
#[cfg_attr(target_os = "linux", path = "platform/linux.rs")]
#[cfg_attr(target_os = "macos", path = "platform/macos.rs")]
#[cfg_attr(target_os = "windows", path = "platform/windows.rs")]
mod platform;
mod run;
mod window;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse() {
        // without a screen there may be no event loop to have
        cli::Wish::Run(args) if args.headless => run::run(&args, None),
        cli::Wish::Run(args) => {
            platform::with_event_loop(move |tray_place| run::run(&args, Some(tray_place)))
        }
        cli::Wish::Ask(question) => cli::ask(question),
    }
}
