//! Files that only their owner reads.

use crate::{error::Error, platform};
use std::{
    io::{Read, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// Writes a whole file that only its owner can read, or leaves the old one: temporary file beside it, sync, rename.
/// A symbolic link at `path` is replaced, not followed.
///
/// # Errors
/// [`Error::Io`]; the old file is then still there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)
        .map_err(Error::io("write into", folder))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", path))?;
    file.persist(path)
        .map_err(|failure| Error::io("replace", path)(failure.error))?;
    platform::sync_dir(folder).map_err(Error::io("sync", folder))
}

/// Reads a whole file that only its owner can read.
///
/// # Errors
/// [`Error::NotPrivate`] or [`Error::WrongOwner`] if others could have read or written it, [`Error::NotAFile`] for a
/// symbolic link, folder or device, [`Error::Io`] also when it does not exist.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut file = platform::open_private(path)?;
    let size = file.metadata().map_or(0, |file| file.len());
    // room for all of it at once, so that no copy of a secret is left behind by growing
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_reads_back_and_nothing_else_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read_private(&path).unwrap().as_slice(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::create_dir(&path).unwrap();
        assert!(write_private(&path, b"one").is_err());
        assert!(write_private(&folder.path().join("missing/file"), b"one").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_file_and_a_folder_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read_private(&folder.path().join("missing")).unwrap_err();
        assert!(missing.is_missing_file());
        assert!(!read_private(folder.path()).unwrap_err().is_missing_file());
    }
}
