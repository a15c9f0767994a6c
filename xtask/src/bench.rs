//! Measures the companion against its peers, all in one run.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::programs::{self, Profile};
use crate::{apt, node, setup, shell, ui};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Passed on to companion-bench, such as the figures to measure
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn main(options: &Options) -> Result<()> {
    setup::for_build()?;
    node::install()?;
    if apt::is_here() {
        apt::install(&[apt::DESKTOP])?;
    }
    ui::build()?;
    let programs = programs::build(Profile::Release)?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "companion-bench"]))?;
    shell::run(
        Command::new(programs::path("companion-bench", Profile::Release)?)
            .args(&options.arguments)
            .env("CLAW_COMPANION_BIN", programs.companion)
            .env("CLAW_COMPANION_WINDOW_BIN", programs.window),
    )
}
