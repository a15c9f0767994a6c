use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Becomes the program, so that signals and the exit status are its own.
pub(crate) fn become_program(command: &mut Command) -> Result<ExitCode> {
    let name = command.get_program().to_string_lossy().into_owned();
    Err(command.exec()).with_context(|| format!("{name} did not start"))
}

pub(crate) fn make_executable(script: &Path) -> Result<()> {
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", script.display()))
}
