use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Runs the program to its end and answers with its exit status, since Windows cannot replace a process.
pub(crate) fn become_program(command: &mut Command) -> Result<ExitCode> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{name} did not start"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A file on Windows is executable by its name.
pub(crate) fn make_executable(_script: &Path) -> Result<()> {
    Ok(())
}
