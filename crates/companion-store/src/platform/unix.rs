//! Files of one user, by mode and owner.

use crate::error::Error;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::{self, DirBuilder, File, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

const OTHERS: u32 = 0o077;

/// Makes the folder with mode 0700, or makes sure that an existing one is as good.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io("make", path))?;
    let folder = fs::metadata(path).map_err(Error::io("look at", path))?;
    let is_open = folder.mode() & OTHERS != 0;
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if is_open && is_ours(&folder) && is_empty() {
        return fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(Error::io("make private", path));
    }
    check(path, &folder)
}

/// Opens a plain file to read that only this user could have read or written.
pub(crate) fn open_private(path: &Path) -> Result<File, Error> {
    // a FIFO must not make us wait for its writer
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(Error::NotAFile(path.to_owned())),
        Err(error) => return Err(Error::io("open", path)(error.into())),
    };
    let metadata = file.metadata().map_err(Error::io("look at", path))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    check(path, &metadata)?;
    Ok(file)
}

/// Opens the lock file, making it if it is missing.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

/// Makes a rename in this folder outlive a power failure.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    if !is_ours(metadata) {
        return Err(Error::WrongOwner(path.to_owned()));
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(Error::NotPrivate(path.to_owned()));
    }
    Ok(())
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        DataDir, RegistryFile, Secrets, SettingsFile, file_vault, read_private, take_lock,
        write_private,
    };
    use companion_core::{GatewayId, Registry};
    use std::{
        collections::BTreeMap,
        env,
        os::unix::fs::symlink,
        path::PathBuf,
        process::{Command, Output},
    };

    const OPEN_UMASK: &str = "COMPANION_STORE_TEST_UMASK";

    #[test]
    fn everything_is_private_even_with_an_open_umask() {
        if env::var_os(OPEN_UMASK).is_none() {
            let test = "everything_is_private_even_with_an_open_umask";
            let output = Command::new("sh")
                .args(["-c", "umask 000 && exec \"$0\" --exact \"$1\""])
                .arg(env::current_exe().unwrap())
                .arg(format!("platform::unix::tests::{test}"))
                .env(OPEN_UMASK, "")
                .output()
                .unwrap();
            return has_passed(&output);
        }
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("share/claw-companion");
        let dir = DataDir::at(&made).unwrap();
        let _lock = take_lock(&dir).unwrap();
        RegistryFile::new(&dir).save(&Registry::default()).unwrap();
        SettingsFile::new(&dir).load().unwrap();
        Secrets::new(file_vault(&dir))
            .make_identity(&GatewayId::new("gw-1"))
            .unwrap();
        assert_eq!(mode(&made), 0o700);
        let modes: BTreeMap<_, _> = fs::read_dir(&made)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), mode(&entry.path())))
            .collect();
        let expected = [
            "gateways.json",
            "gateways.json.bak",
            "lock",
            "settings.json",
            "settings.json.bak",
            "vault.json",
            "vault.json.bak",
        ];
        assert_eq!(modes, expected.map(|name| (name.into(), 0o600)).into());
    }

    #[test]
    fn a_link_planted_at_the_target_is_replaced_and_not_followed() {
        let (_folder, target, elsewhere) = file_and_link();
        write_private(&target, b"new").unwrap();
        assert_eq!(fs::read(&elsewhere).unwrap(), b"elsewhere");
        assert!(fs::symlink_metadata(&target).unwrap().is_file());
        assert_eq!(read_private(&target).unwrap().as_slice(), b"new");
    }

    #[test]
    fn a_link_is_not_read_and_not_locked() {
        let (folder, target, _) = file_and_link();
        assert!(matches!(read_private(&target), Err(Error::NotAFile(path)) if path == target));
        let dir = DataDir::at(folder.path()).unwrap();
        symlink(folder.path().join("made"), folder.path().join("lock")).unwrap();
        assert!(matches!(take_lock(&dir), Err(Error::Io { .. })));
        assert!(!folder.path().join("made").exists());
    }

    #[test]
    fn a_fifo_is_refused_without_waiting() {
        let (folder, ..) = file_and_link();
        let fifo = folder.path().join("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        assert!(matches!(read_private(&fifo), Err(Error::NotAFile(_))));
    }

    #[test]
    fn a_file_that_others_reach_is_refused() {
        let (_folder, _, file) = file_and_link();
        for open in [0o640, 0o604, 0o620, 0o602, 0o601] {
            fs::set_permissions(&file, Permissions::from_mode(open)).unwrap();
            assert!(
                matches!(read_private(&file), Err(Error::NotPrivate(path)) if path == file),
                "{open:o}"
            );
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let (_folder, _, ours) = file_and_link();
        let theirs = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&ours, Some(12345), None).unwrap();
            ours
        } else {
            PathBuf::from("/etc/passwd")
        };
        assert!(matches!(read_private(&theirs), Err(Error::WrongOwner(path)) if path == theirs));
    }

    #[test]
    fn an_open_folder_is_closed_while_it_is_empty_and_refused_later() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        DataDir::at(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        fs::write(folder.path().join("file"), "of somebody").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            DataDir::at(folder.path()),
            Err(Error::NotPrivate(_))
        ));
        assert_eq!(mode(folder.path()), 0o755);
    }

    /// A private folder with a private file and a link to that file: folder, link, file.
    fn file_and_link() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        write_private(&file, b"elsewhere").unwrap();
        symlink(&file, &link).unwrap();
        (folder, link, file)
    }

    /// Judges a second process of this test binary, which was to run one test.
    pub(in crate::platform) fn has_passed(output: &Output) {
        let told = String::from_utf8_lossy(&output.stdout);
        let passed = output.status.success() && told.contains("1 passed");
        assert!(passed, "{told}{}", String::from_utf8_lossy(&output.stderr));
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }
}
