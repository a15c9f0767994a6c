//! Installs what is missing on a machine that has Rust.

use anyhow::Result;
use clap::Args;

use crate::{apt, ui};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Also install what the tests of tray and window need
    #[arg(long)]
    tests: bool,
}

pub(crate) fn main(options: &Options) -> Result<()> {
    for_build()?;
    if options.tests {
        for_desktop_tests()?;
    }
    ui::build()
}

/// What compiling the programs and building the UI needs.
pub(crate) fn for_build() -> Result<()> {
    if apt::is_here() {
        apt::install(&[apt::BUILD])
    } else {
        Ok(())
    }
}

/// A desktop without a screen: X server, session bus, tray, notifications, keyring, web driver.
pub(crate) fn for_desktop_tests() -> Result<()> {
    if apt::is_here() {
        apt::install(&[apt::DESKTOP])
    } else {
        Ok(())
    }
}
