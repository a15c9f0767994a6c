use std::fs::{File, OpenOptions};
use std::future::{Ready, ready};
use std::io;
use std::path::Path;

use tokio::process::{Child, Command};

pub(crate) const NODE: &str = "node.exe";

/// Makes the folder; the person's profile, which it is in, is closed to others already.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Opens the file for appending, made when missing.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Does nothing: the file has the rights of its folder.
pub(crate) fn restrict_file(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens no console window for the process.
pub(crate) fn run_in_background(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// Kills it: a process without a window cannot be asked.
pub(crate) fn ask_to_stop(child: &mut Child) {
    kill_with_descendants(child);
}

/// Kills the process; its workers end when their channel to it closes.
pub(crate) fn kill_with_descendants(child: &mut Child) {
    if let Err(error) = child.start_kill() {
        tracing::debug!(%error, "process not killed");
    }
}

/// Does nothing: another process cannot be told apart safely here, so a leftover shows as a port in use.
pub(crate) fn end_leftover(_pid: u32, _state: &Path) -> Ready<io::Result<()>> {
    ready(Ok(()))
}

const CREATE_NO_WINDOW: u32 = 0x0800_0000;
