//! Set-up, run, test, bench and checks of this repository: `cargo xtask help`.
//!
//! Starts other programs and prints what it does. It knows nothing of gateways: the programs do the work.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line tool talks to the person who started it"
)]

mod apt;
mod bench;
mod bindings;
mod chroot;
mod cross;
mod deny;
mod node;
#[cfg_attr(unix, path = "platform/unix.rs")]
#[cfg_attr(windows, path = "platform/windows.rs")]
mod platform;
mod programs;
mod run;
mod setup;
mod shell;
mod tally;
mod test;
mod tidy;
mod ui;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, run, test, bench and checks of this repository"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what a build needs, and build the UI
    Setup(setup::Options),
    /// Build everything and start the companion with a development profile
    Run(run::Options),
    /// Install what tests need and run all of them
    Test(test::Options),
    /// Measure against the peers, in release builds
    Bench(bench::Options),
    /// Build and test for Windows under Wine, and type-check for macOS
    Cross(cross::Options),
    /// Check what no compiler checks: layers, platform code, secrets, documents
    Tidy,
    /// Write the TypeScript types of the core into the UI
    Bindings(bindings::Options),
    /// Check dependencies with cargo-deny, installing it first where it is missing
    Deny(deny::Options),
}

fn main() -> ExitCode {
    perform(Arguments::parse().task).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn perform(task: Task) -> Result<ExitCode> {
    shell::enter_project()?;
    match task {
        Task::Setup(options) => setup::main(&options)?,
        Task::Run(options) => return run::main(&options),
        Task::Test(options) => return test::main(&options),
        Task::Bench(options) => bench::main(&options)?,
        Task::Cross(options) => cross::main(&options)?,
        Task::Tidy => tidy::main()?,
        Task::Bindings(options) => bindings::main(&options)?,
        Task::Deny(options) => deny::main(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
