use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::output;
use crate::platform;

/// The folder of one instance; everything the instance knows or writes is inside, readable by its owner only.
#[derive(Debug, Clone)]
pub(crate) struct InstanceHome {
    folder: PathBuf,
}

/// Held while a companion runs the instance; the system lets go of it when that companion ends in any way.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    _file: File,
}

impl InstanceHome {
    /// Creates the folder and those inside, where they are missing.
    pub(crate) fn prepare(folder: &Path) -> Result<InstanceHome, Error> {
        let unusable = |path: &Path| unusable(path);
        std::fs::create_dir_all(folder).map_err(unusable(folder))?;
        // the gateway compares paths, and its working folder differs from ours
        let folder = std::path::absolute(folder).map_err(unusable(folder))?;
        let home = InstanceHome { folder };
        for private in [home.folder.clone(), home.state(), home.user_home()] {
            platform::create_private_folder(&private).map_err(unusable(&private))?;
        }
        Ok(home)
    }

    pub(crate) fn lock(&self) -> Result<InstanceLock, Error> {
        let path = self.folder.join("lock");
        let file = platform::create_private_file(&path).map_err(unusable(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(InstanceLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::AlreadyRunning {
                home: self.folder.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(&path)(source)),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("openclaw.json")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// What the gateway sees as the person's home.
    pub(crate) fn user_home(&self) -> PathBuf {
        self.folder.join("user-home")
    }

    /// Starts a new log of the gateway's output; the one before is kept under another name.
    pub(crate) fn new_log(&self) -> Result<File, Error> {
        let log = self.log();
        match std::fs::rename(&log, self.folder.join("gateway.previous.log")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unusable(&log)(error));
            }
            Ok(()) | Err(_) => {}
        }
        platform::create_private_file(&log).map_err(unusable(&log))
    }

    /// The end of the gateway's output, fit to be shown.
    pub(crate) fn log_tail(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        output::last_lines(&read().unwrap_or_default())
    }

    /// Remembers which process the gateway is, for a companion that comes after one that was killed.
    pub(crate) fn write_pid(&self, pid: u32) -> Result<(), Error> {
        let path = self.pid_file();
        std::fs::write(&path, pid.to_string()).map_err(unusable(&path))
    }

    pub(crate) fn read_pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.pid_file())
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    pub(crate) fn forget_pid(&self) {
        if let Err(error) = std::fs::remove_file(self.pid_file()) {
            tracing::debug!(%error, "pid file not removed");
        }
    }

    /// Maps an I/O error at `path`, a file of this instance.
    pub(crate) fn unusable(&self, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
        unusable(path)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("gateway.pid")
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::HomeUnusable { path, source }
}

const TAIL_BYTES: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn one_companion_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        let lock = home.lock().unwrap();
        assert!(matches!(home.lock(), Err(Error::AlreadyRunning { .. })));
        drop(lock);
        assert!(home.lock().is_ok());
    }

    #[test]
    fn remembers_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        assert_eq!(home.read_pid(), None);
        home.write_pid(4711).unwrap();
        assert_eq!(home.read_pid(), Some(4711));
        home.forget_pid();
        assert_eq!(home.read_pid(), None);
    }

    #[test]
    fn keeps_the_log_before_and_shows_the_end_of_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        assert_eq!(home.log_tail(), "");
        home.new_log().unwrap().write_all(b"first").unwrap();
        let mut log = home.new_log().unwrap();
        log.write_all(&b"x \n".repeat(10_000)).unwrap();
        log.write_all(b"the end\n").unwrap();
        assert!(home.log_tail().ends_with("x\nthe end"));
        let previous = std::fs::read(folder.path().join("gateway.previous.log")).unwrap();
        assert_eq!(previous, b"first");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = InstanceHome::prepare(&file.join("home")).unwrap_err();
        assert!(matches!(error, Error::HomeUnusable { .. }), "{error}");
    }
}
