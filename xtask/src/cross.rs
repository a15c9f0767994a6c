//! Windows, built and run under Wine, and macOS, type-checked, on a Debian machine.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::chroot::Chroot;
use crate::tally::{self, Tally};
use crate::{shell, ui};

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";
const BUILD_STD: &str = "-Zbuild-std=std,panic_unwind";
/// The crates with code for Windows, and the pure ones, whose tests Wine can run.
const TESTED: [&str; 6] = [
    "claw-companion",
    "companion-core",
    "companion-store",
    "gateway-client",
    "gateway-protocol",
    "node-commands",
];
/// What tests have in their names that run the program for Windows; only `cross` can run them.
pub(crate) const UNDER_WINE: &str = "under_wine";
const COMPANION: &str = "claw-companion";
const WINDOW: &str = "claw-companion-window";
const XTASK: &str = "xtask";

#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Only these steps, in this order
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Make the chroot
    Chroot,
    /// Run the tests of the crates for Windows under Wine
    Test,
    /// Build the companion for Windows and pair it with a real gateway under Wine
    Pair,
    /// Type-check the window and xtask for Windows
    Window,
    /// Type-check everything for macOS
    Macos,
}

pub(crate) fn main(options: &Options) -> Result<()> {
    let tally = all(options)?;
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 {
        bail!("failed: {}", tally.troubles.join(", "));
    }
    Ok(())
}

/// Runs every step, or those that were named.
pub(crate) fn all(options: &Options) -> Result<Tally> {
    let chroot = Chroot::prepare()?;
    let steps = if options.steps.is_empty() {
        &[Step::Test, Step::Pair, Step::Window, Step::Macos]
    } else {
        options.steps.as_slice()
    };
    if steps
        .iter()
        .any(|step| matches!(step, Step::Window | Step::Macos))
    {
        ui::build()?;
    }
    let mut tally = Tally::default();
    for step in steps {
        match step {
            Step::Chroot => {}
            Step::Test => tally.add("tests for Windows under Wine", || {
                tally::cargo(&mut cargo(
                    &chroot,
                    "test",
                    WINDOWS,
                    &TESTED,
                    &["--no-fail-fast"],
                ))
            }),
            Step::Pair => tally.add("pairing on Windows under Wine", || pair(&chroot)),
            Step::Window => tally.check("types of the window and xtask for Windows", || {
                shell::run(&mut cargo(&chroot, "check", WINDOWS, &[WINDOW, XTASK], &[]))
            }),
            Step::Macos => tally.check("types of everything for macOS", || {
                shell::run(&mut cargo(
                    &chroot,
                    "check",
                    MACOS,
                    &[COMPANION, WINDOW],
                    &[],
                ))
            }),
        }
    }
    Ok(tally)
}

/// The test runs outside, where the real gateway is, and starts the program inside.
fn pair(chroot: &Chroot) -> Result<Tally> {
    shell::run(&mut cargo(chroot, "build", WINDOWS, &[COMPANION], &[]))?;
    let program = format!("/target/{WINDOWS}/debug/{COMPANION}.exe");
    let launcher = chroot.launcher(Path::new(&program))?;
    let _servers = WineServers::start(chroot)?;
    let said = shell::output(Command::new(&launcher).arg("--version"))?;
    println!(
        "{}",
        said.lines()
            .next()
            .context("the program for Windows says no version")?
    );
    let mut test = shell::cargo();
    test.args([
        "test",
        "--package",
        "gateway-tests",
        UNDER_WINE,
        "--",
        "--ignored",
        "--test-threads=1",
    ]);
    test.env("CLAW_COMPANION_WINE", launcher);
    let tally = tally::cargo(&mut test)?;
    if tally.passed + tally.failed == 0 {
        bail!("gateway-tests has no test with {UNDER_WINE} in its name");
    }
    Ok(tally)
}

/// Keeps Wine's servers up by a command prompt that waits for input. They would start with the first program otherwise
/// and hold its output open after its end, so that whoever reads that waits for ever.
struct WineServers(Child);

impl WineServers {
    fn start(chroot: &Chroot) -> Result<Self> {
        let mut prompt = chroot.command("wine64");
        prompt
            .arg("cmd")
            .env("WINEDEBUG", "-all")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut prompt = Self(prompt.spawn().context("Wine does not start")?);
        let output = prompt.0.stdout.as_mut().context("its output is piped")?;
        output
            .read_exact(&mut [0])
            .context("Wine's command prompt says nothing")?;
        Ok(prompt)
    }
}

impl Drop for WineServers {
    fn drop(&mut self) {
        // closes its input, which ends it
        if let Err(error) = self.0.wait() {
            println!("Wine may still run: {error}");
        }
    }
}

fn cargo(
    chroot: &Chroot,
    task: &str,
    target: &str,
    packages: &[&str],
    options: &[&str],
) -> Command {
    let mut cargo = chroot.command("cargo");
    cargo
        .args([task, "--locked", BUILD_STD, "--target", target])
        .args(options);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo
        .env("CARGO_TARGET_DIR", "/target")
        .env(
            "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER",
            "x86_64-w64-mingw32-gcc",
        )
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine64")
        .env("WINEDEBUG", "-all")
        // Otherwise a snapshot that differs makes insta ask for cargo, which Wine has not, and write beside the sources.
        .env("INSTA_WORKSPACE_ROOT", "/project")
        .env("INSTA_UPDATE", "no")
        .env("CC_aarch64_apple_darwin", "stub-cc")
        .env("AR_aarch64_apple_darwin", "stub-ar")
        // The chroot's compiler is a released one, and build-std is for nightly ones only.
        .env("RUSTC_BOOTSTRAP", "1");
    cargo
}
