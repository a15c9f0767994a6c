//! The two programs that people get.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use crate::shell;

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) companion: PathBuf,
    pub(crate) window: PathBuf,
}

/// Builds both programs beside each other, where the companion looks for the window.
pub(crate) fn build(profile: Profile) -> Result<Programs> {
    let mut cargo = shell::cargo();
    cargo.args([
        "build",
        "--package",
        "claw-companion",
        "--package",
        "claw-companion-window",
    ]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)?;
    Ok(Programs {
        companion: path("claw-companion", profile)?,
        window: path("claw-companion-window", profile)?,
    })
}

/// Where cargo puts this program.
pub(crate) fn path(name: &str, profile: Profile) -> Result<PathBuf> {
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    Ok(shell::target_directory()?
        .join(folder)
        .join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}
