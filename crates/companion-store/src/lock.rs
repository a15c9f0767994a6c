//! One companion per data folder.

use crate::{data_dir::DataDir, error::Error, platform};
use std::fs::{File, TryLockError};

const NAME: &str = "lock";

/// Holds the data folder until it is dropped. The system frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// Takes the data folder for this process.
///
/// # Errors
/// [`Error::AlreadyRunning`] while another process has it; [`Error::Io`].
pub fn take_lock(dir: &DataDir) -> Result<InstanceLock, Error> {
    let path = dir.path().join(NAME);
    let file = platform::open_lock(&path).map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(InstanceLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(Error::AlreadyRunning(dir.path().to_owned())),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        env,
        io::{BufRead, BufReader, Write},
        process::{Command, Stdio},
    };

    const FOLDER: &str = "COMPANION_STORE_TEST_LOCK";

    #[test]
    fn a_second_one_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        let first = take_lock(&dir).unwrap();
        assert!(matches!(take_lock(&dir), Err(Error::AlreadyRunning(path)) if path == dir.path()));
        drop(first);
        take_lock(&dir).unwrap();
    }

    #[test]
    fn a_killed_process_leaves_the_folder_free() {
        if let Some(folder) = env::var_os(FOLDER) {
            let _lock = take_lock(&DataDir::at(folder.as_ref()).unwrap()).unwrap();
            println!("locked");
            std::io::stdout().flush().unwrap();
            std::io::stdin().lines().next();
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "lock::tests::a_killed_process_leaves_the_folder_free",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.ends_with("locked")),
            "the child took the lock"
        );
        assert!(matches!(take_lock(&dir), Err(Error::AlreadyRunning(_))));
        child.kill().unwrap();
        child.wait().unwrap();
        take_lock(&dir).unwrap();
    }
}
