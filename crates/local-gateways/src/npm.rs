use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::child_environment::path_after;
use crate::error::{Error, InstallStep};
use crate::output;
use crate::platform;

/// The person's own `npm`, with their settings for mirrors and proxies.
#[derive(Debug)]
pub(crate) struct Npm {
    program: PathBuf,
}

impl Npm {
    pub(crate) fn find() -> Result<Npm, Error> {
        let program = which::which("npm").map_err(|_| Error::NpmMissing)?;
        Ok(Npm { program })
    }

    /// Installs `package` (such as `node@24`) into the new folder `into`; `node` is the folder of the Node to run its
    /// scripts with, when not the person's own.
    pub(crate) async fn install(
        &self,
        step: InstallStep,
        package: &str,
        into: &Path,
        node: Option<&Path>,
    ) -> Result<(), Error> {
        let unusable = |source| Error::CacheUnusable {
            path: into.to_owned(),
            source,
        };
        std::fs::create_dir_all(into).map_err(unusable)?;
        std::fs::write(into.join("package.json"), manifest().to_string()).map_err(unusable)?;

        let mut command = Command::new(&self.program);
        command
            .args([
                "install",
                "--no-fund",
                "--no-audit",
                "--loglevel=error",
                "--ignore-scripts=false",
            ])
            .arg(package)
            .current_dir(into)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(node) = node {
            let path =
                path_after(node).map_err(|source| unusable(std::io::Error::other(source)))?;
            command.env("PATH", path);
        }
        platform::run_in_background(&mut command);
        let done = command.output().await.map_err(Error::NpmNotStarted)?;
        if done.status.success() {
            return Ok(());
        }
        Err(Error::InstallFailed {
            step,
            exit: done.status,
            last_lines: output::last_lines(&String::from_utf8_lossy(&done.stderr)),
        })
    }
}

/// Keeps npm from using a project in a folder above, and allows the install scripts that these packages need.
fn manifest() -> serde_json::Value {
    json!({
        "private": true,
        "allowScripts": { "node": true, "openclaw": true, "koffi": true },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_step_names_itself_and_what_npm_said() {
        let folder = tempfile::tempdir().unwrap();
        // Cargo knows `install` too, but not these options
        let npm = Npm {
            program: env!("CARGO").into(),
        };
        let error = npm
            .install(
                InstallStep::Gateway,
                "--no-such-option",
                folder.path(),
                None,
            )
            .await
            .unwrap_err();
        let Error::InstallFailed {
            step,
            exit,
            last_lines,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(step, InstallStep::Gateway);
        assert!(!exit.success());
        assert!(last_lines.contains("no-fund"), "{last_lines}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let npm = Npm {
            program: folder.path().join("npm"),
        };
        let outcome = npm
            .install(InstallStep::Node, "node@24", folder.path(), None)
            .await;
        assert!(
            matches!(outcome, Err(Error::NpmNotStarted(_))),
            "{outcome:?}"
        );
    }
}
