//! Starting other programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt};

use anyhow::{Context, Result, bail};

/// Makes the project's root the current directory, which every path in this program is relative to.
pub(crate) fn enter_project() -> Result<()> {
    let own = env::var_os("CARGO_MANIFEST_DIR").context("start this program as `cargo xtask`")?;
    let root = Path::new(&own)
        .parent()
        .context("xtask stands in the project's root")?;
    env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// A cargo that does not see what the cargo that started us said about xtask: some build scripts watch those variables
/// and would build again each time.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_one_package) {
            command.env_remove(&name);
        }
    }
    command
}

fn describes_one_package(variable: &str) -> bool {
    const EXACT: [&str; 7] = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "LD_LIBRARY_PATH",
        "OUT_DIR",
    ];
    EXACT.contains(&variable) || variable.starts_with("CARGO_PKG_")
}

/// Shows the command and runs it to its end. Fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", Shown(command));
    let status = command
        .status()
        .with_context(|| format!("{} did not start", Shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", Shown(command));
    }
    Ok(())
}

/// What the command writes to its standard output. Fails unless it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} did not start", Shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", Shown(command), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something else than text", Shown(command)))
}

/// What the command writes to its standard output if it is there and succeeds; it cannot speak to the person.
pub(crate) fn quiet_output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where `PATH` has this program.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
}

/// Whether this computer runs Linux, where set-up knows how to install what is missing.
pub(crate) fn on_linux() -> bool {
    env::consts::OS == "linux"
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    quiet_output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let path = metadata
        .get("target_directory")
        .and_then(serde_json::Value::as_str);
    path.map(PathBuf::from)
        .context("cargo names no target directory")
}

/// What cargo knows about the packages of this workspace.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cannot read what cargo says about the workspace")
}

/// The folder for what is worth keeping between checkouts, such as tools and the Debian chroot.
pub(crate) fn cache_directory(name: &str) -> Result<PathBuf> {
    let home = || env::home_dir().context("no home directory is known");
    let base = match (env::var_os("XDG_CACHE_HOME"), env::consts::OS) {
        (Some(folder), _) if !folder.is_empty() => PathBuf::from(folder),
        (_, "macos") => home()?.join("Library/Caches"),
        (_, "windows") => {
            PathBuf::from(env::var_os("LOCALAPPDATA").context("LOCALAPPDATA is not set")?)
        }
        (_, _) => home()?.join(".cache"),
    };
    Ok(base.join(name))
}

pub(crate) struct Shown<'a>(pub(crate) &'a Command);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(self.0.get_program())
            .file_name()
            .unwrap_or(OsStr::new("?"));
        write!(formatter, "{}", program.display())?;
        for argument in self.0.get_args() {
            write!(formatter, " {}", argument.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_settings_of_the_person_are_kept_for_nested_cargo() {
        assert!(describes_one_package("CARGO_PKG_NAME"));
        assert!(describes_one_package("CARGO_MANIFEST_DIR"));
        for kept in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_TERM_COLOR",
            "CARGO_INCREMENTAL",
        ] {
            assert!(!describes_one_package(kept), "{kept}");
        }
    }

    #[test]
    fn a_command_is_shown_without_the_folder_of_its_program() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["build", "--release"]);
        assert_eq!(Shown(&command).to_string(), "cargo build --release");
    }
}
