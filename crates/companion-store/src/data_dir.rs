//! Where everything of ours stands.

use crate::{error::Error, platform};
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

const NAME: &str = "claw-companion";
const HOME: &str = "CLAW_COMPANION_HOME";
const CACHE: &str = "CLAW_COMPANION_CACHE";

/// The data folder: it exists, belongs to this user and nobody else reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// The folder in `CLAW_COMPANION_HOME`, else `claw-companion` in the data folder of the system
    /// (`$XDG_DATA_HOME` or `~/.local/share` on Linux). Made if it is missing.
    ///
    /// # Errors
    /// As [`DataDir::at`]; [`Error::NoDataFolder`] if there is no such place.
    pub fn resolve() -> Result<Self, Error> {
        // not the roaming one on Windows: a lock and keyring entries mean this computer
        let place = place(env::var_os(HOME), dirs::data_local_dir()).ok_or(Error::NoDataFolder)?;
        Self::at(&place)
    }

    /// This folder. Made with mode 0700 if it is missing; an empty one that others reach is closed to them.
    ///
    /// # Errors
    /// [`Error::NotPrivate`] or [`Error::WrongOwner`] if others reach what is in it already; [`Error::Io`].
    pub fn at(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(Error::io("find", path))?;
        platform::make_private_dir(&path)?;
        Ok(Self { path })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cache of this computer: `CLAW_COMPANION_CACHE`, else `claw-companion` in the cache folder of the system.
    /// It may not exist yet.
    ///
    /// # Errors
    /// [`Error::NoCacheFolder`] if there is no such place.
    pub fn cache() -> Result<PathBuf, Error> {
        let place = place(env::var_os(CACHE), dirs::cache_dir()).ok_or(Error::NoCacheFolder)?;
        std::path::absolute(&place).map_err(Error::io("find", place))
    }
}

fn place(chosen: Option<OsString>, system: Option<PathBuf>) -> Option<PathBuf> {
    match chosen {
        Some(chosen) if !chosen.is_empty() => Some(chosen.into()),
        Some(_) | None => system.map(|folder| folder.join(NAME)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_folder_is_taken_as_it_is_and_the_systems_gets_our_name() {
        let system = || Some(PathBuf::from("share"));
        assert_eq!(
            place(Some("mine".into()), system()),
            Some(PathBuf::from("mine"))
        );
        assert_eq!(place(None, system()), Some(Path::new("share").join(NAME)));
        assert_eq!(
            place(Some(OsString::new()), system()),
            Some(Path::new("share").join(NAME))
        );
        assert_eq!(place(None, None), None);
    }

    #[test]
    fn a_missing_folder_is_made_and_an_existing_one_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let first = DataDir::at(&parent.path().join("a/b")).unwrap();
        std::fs::write(first.path().join("file"), "kept").unwrap();
        let again = DataDir::at(first.path()).unwrap();
        assert_eq!(first, again);
        assert!(again.path().join("file").is_file());
    }
}
