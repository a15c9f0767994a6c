//! JSON files with a version, a last good copy beside them, and nothing thrown away that could not be read.

use crate::{
    error::Error,
    private::{read_private, write_private},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// One versioned file and its last good copy `NAME.bak`.
#[derive(Debug)]
pub(crate) struct VersionedFile {
    path: PathBuf,
    version: u64,
}

impl VersionedFile {
    pub(crate) fn new(path: PathBuf, version: u64) -> Self {
        Self { path, version }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's content, else that of its last good copy; `None` if there is neither.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        if let Some(content) = self.load_one(&self.path)? {
            return Ok(Some(content));
        }
        let content = self.load_one(&self.beside(".bak"))?;
        if content.is_some() {
            tracing::warn!(file = %self.path.display(), "the file is gone, its last good copy is used");
        }
        Ok(content)
    }

    pub(crate) fn save<T: Serialize>(&self, content: &T) -> Result<(), Error> {
        match self.load_one::<serde::de::IgnoredAny>(&self.path) {
            Ok(_) => {}
            Err(Error::Unreadable { kept_as, .. }) => {
                tracing::warn!(kept_as = %kept_as.display(), "an unreadable file was kept aside");
            }
            Err(error) => return Err(error),
        }
        let mut bytes = Zeroizing::new(Vec::new());
        let document = Document {
            version: self.version,
            content,
        };
        serde_json::to_writer_pretty(&mut *bytes, &document)
            .map_err(|error| Error::io("write", &self.path)(error.into()))?;
        bytes.push(b'\n');
        write_private(&self.path, &bytes)?;
        write_private(&self.beside(".bak"), &bytes)
    }

    fn load_one<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, Error> {
        let bytes = match read_private(path) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing_file() => return Ok(None),
            Err(error) => return Err(error),
        };
        let head: Head = match serde_json::from_slice(&bytes) {
            Ok(head) => head,
            Err(error) => return Err(self.keep_aside(path, error.line(), error.column())),
        };
        if head.version > self.version {
            return Err(Error::NewerVersion {
                file: path.to_owned(),
                version: head.version,
            });
        }
        if head.version == 0 {
            return Err(self.keep_aside(path, 0, 0));
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| self.keep_aside(path, error.line(), error.column()))
    }

    fn keep_aside(&self, path: &Path, line: usize, column: usize) -> Error {
        let kept_as = (1_u32..)
            .map(|number| self.beside(&format!(".unreadable-{number}")))
            .find(|name| fs::symlink_metadata(name).is_err());
        let Some(kept_as) = kept_as else {
            return Error::NotAFile(path.to_owned());
        };
        match fs::rename(path, &kept_as) {
            Ok(()) => Error::Unreadable {
                file: path.to_owned(),
                kept_as,
                line,
                column,
            },
            Err(source) => Error::io("move aside", path)(source),
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        name.into()
    }
}

#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Serialize)]
struct Document<'a, T> {
    version: u64,
    #[serde(flatten)]
    content: &'a T,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Content = BTreeMap<String, u32>;

    #[test]
    fn what_was_saved_is_loaded_and_nothing_is_none() {
        let (_folder, file) = file();
        assert_eq!(file.load::<Kept>().unwrap(), None);
        file.save(&kept(7)).unwrap();
        assert_eq!(file.load().unwrap(), Some(kept(7)));
    }

    #[test]
    fn a_corrupt_file_is_kept_aside_and_then_the_last_good_copy_is_used() {
        let (_folder, file) = file();
        file.save(&kept(1)).unwrap();
        file.save(&kept(2)).unwrap();
        for (number, corrupt) in (1..).zip([
            "{\"version\": 1, \"kept\": {\"a\": ",
            "",
            "{\"version\": 0}",
            "{\"version\": 1, \"kept\": 3}",
        ]) {
            write_private(&file.path, corrupt.as_bytes()).unwrap();
            let error = file.load::<Kept>().unwrap_err();
            let Error::Unreadable {
                file: named,
                kept_as,
                ..
            } = error
            else {
                panic!("{error}")
            };
            assert_eq!(named, file.path);
            assert_eq!(kept_as, file.beside(&format!(".unreadable-{number}")));
            assert_eq!(fs::read_to_string(kept_as).unwrap(), corrupt);
            assert_eq!(file.load().unwrap(), Some(kept(2)));
        }
    }

    #[test]
    fn saving_over_a_corrupt_file_keeps_it_aside_too() {
        let (_folder, file) = file();
        write_private(&file.path, b"no JSON").unwrap();
        file.save(&kept(1)).unwrap();
        assert_eq!(fs::read(file.beside(".unreadable-1")).unwrap(), b"no JSON");
        assert_eq!(file.load().unwrap(), Some(kept(1)));
    }

    #[test]
    fn a_corrupt_copy_is_reported_as_well_before_anything_starts_fresh() {
        let (_folder, file) = file();
        write_private(&file.beside(".bak"), b"{").unwrap();
        assert!(matches!(file.load::<Kept>(), Err(Error::Unreadable { .. })));
        assert_eq!(file.load::<Kept>().unwrap(), None);
    }

    #[test]
    fn a_newer_file_is_refused_and_untouched() {
        let (_folder, file) = file();
        let newer = b"{\"version\": 2, \"kept\": \"in a way of its own\"}";
        write_private(&file.path, newer).unwrap();
        assert!(matches!(
            file.load::<Kept>(),
            Err(Error::NewerVersion { version: 2, .. })
        ));
        assert!(matches!(
            file.save(&kept(1)),
            Err(Error::NewerVersion { version: 2, .. })
        ));
        assert_eq!(fs::read(&file.path).unwrap(), newer);
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept {
        kept: Content,
    }

    fn kept(number: u32) -> Kept {
        Kept {
            kept: Content::from([("a".to_owned(), number)]),
        }
    }

    fn file() -> (tempfile::TempDir, VersionedFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = VersionedFile::new(folder.path().join("file.json"), 1);
        (folder, file)
    }
}
