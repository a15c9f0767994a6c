use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

pub(crate) const NODE: &str = "node";

/// Makes the folder, or narrows it, so that only its owner can look inside.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Opens the file for appending, made when missing, for its owner only.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

pub(crate) fn restrict_file(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Gives the process a group of its own, so that Ctrl-C in our terminal does not reach it before we stop it in order.
pub(crate) fn run_in_background(command: &mut Command) {
    command.process_group(0);
}

pub(crate) fn ask_to_stop(child: &mut Child) {
    if let Some(pid) = pid(child) {
        report(kill_process(pid, Signal::TERM));
    }
}

pub(crate) fn kill_with_descendants(child: &mut Child) {
    if let Some(pid) = pid(child) {
        report(kill_process_group(pid, Signal::KILL));
    }
}

/// `None` once the process was waited for, so the id cannot be somebody else's.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

fn report(outcome: rustix::io::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "signal not sent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn files_and_folders_are_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        create_private_folder(&inner).unwrap();
        assert_eq!(mode(&inner), 0o700);
        let file = inner.join("file");
        create_private_file(&file).unwrap();
        assert_eq!(mode(&file), 0o600);

        std::fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        create_private_folder(&inner).unwrap();
        restrict_file(&file).unwrap();
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn the_configuration_is_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let home =
            crate::instance_home::InstanceHome::prepare(&folder.path().join("gateway")).unwrap();
        crate::config::open(&home).unwrap();
        assert_eq!(mode(&home.config()), 0o600);
        assert_eq!(mode(home.folder()), 0o700);
        std::fs::set_permissions(home.config(), Permissions::from_mode(0o644)).unwrap();
        crate::config::open(&home).unwrap();
        assert_eq!(mode(&home.config()), 0o600);
    }

    #[tokio::test]
    async fn asks_first_and_kills_a_whole_group() {
        let mut polite = sleeping("exec sleep 60");
        ask_to_stop(&mut polite);
        assert!(ended(&mut polite).await);

        let mut stubborn = sleeping("trap '' TERM; echo ready; sleep 60 & wait; wait");
        let mut output = stubborn.stdout.take().unwrap();
        tokio::io::AsyncReadExt::read_exact(&mut output, &mut [0; 6])
            .await
            .unwrap();
        ask_to_stop(&mut stubborn);
        kill_with_descendants(&mut stubborn);
        assert!(ended(&mut stubborn).await);
        let mut rest = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut output, &mut rest);
        let closed = tokio::time::timeout(Duration::from_secs(20), end).await;
        assert!(closed.is_ok(), "the descendant still holds the pipe");
    }

    fn sleeping(script: &str) -> Child {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true);
        run_in_background(&mut command);
        command.spawn().unwrap()
    }

    async fn ended(child: &mut Child) -> bool {
        tokio::time::timeout(Duration::from_secs(20), child.wait())
            .await
            .is_ok()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }
}
