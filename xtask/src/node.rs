//! The Node that builds the UI.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::{apt, shell};

/// What the UI's build tool asks for.
const OLDEST: (u32, u32) = (20, 19);
/// Installed beside the system's own where that is older.
const PACKAGE: &str = "node@24";

/// Sees to it that npm is here, installing Debian's where there is apt.
pub(crate) fn install() -> Result<()> {
    if shell::quiet_output(npm().arg("--version")).is_some() {
        return Ok(());
    }
    if !apt::is_here() {
        bail!(
            "npm is missing: install Node {}.{} or newer, which brings it, then try again",
            OLDEST.0,
            OLDEST.1
        );
    }
    apt::install(&[apt::NODE])
}

/// npm on a Node that is new enough for the UI.
pub(crate) fn npm_for_ui() -> Result<Command> {
    let mut npm = npm();
    npm.current_dir("ui");
    if !is_new_enough(shell::quiet_output(Command::new("node").arg("--version")).as_deref()) {
        let folders = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(std::iter::once(own_node()?).chain(env::split_paths(&folders)))
            .context("PATH cannot be extended")?;
        npm.env("PATH", path);
    }
    Ok(npm)
}

fn npm() -> Command {
    // Windows finds a script only by its whole name.
    Command::new(if env::consts::OS == "windows" {
        "npm.cmd"
    } else {
        "npm"
    })
}

fn own_node() -> Result<PathBuf> {
    let folder = shell::cache_directory("claw-companion-tools")?.join("node");
    let programs = folder.join("node_modules").join("node").join("bin");
    let node = programs.join(format!("node{}", env::consts::EXE_SUFFIX));
    if !node.is_file() {
        println!(
            "The Node of this system is older than {}.{}: installing {PACKAGE} for the UI",
            OLDEST.0, OLDEST.1
        );
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        shell::run(
            npm()
                .args(["install", "--no-audit", "--no-fund", "--no-save", PACKAGE])
                .current_dir(&folder),
        )?;
    }
    Ok(programs)
}

fn is_new_enough(version: Option<&str>) -> bool {
    let parse = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.trim().strip_prefix('v')?.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    version
        .and_then(parse)
        .is_some_and(|version| version >= OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_compare_by_number() {
        assert!(is_new_enough(Some("v20.19.0\n")));
        assert!(is_new_enough(Some("v24.2.1")));
        assert!(!is_new_enough(Some("v20.9.0")));
        assert!(!is_new_enough(Some("v18.20.4")));
        assert!(!is_new_enough(Some("not a version")));
        assert!(!is_new_enough(None));
    }
}
