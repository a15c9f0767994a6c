//! Settings on disk.

use crate::{data_dir::DataDir, error::Error, versioned::VersionedFile};
use companion_core::snapshot::SecretStoreKind;
use serde::{Deserialize, Serialize};

const NAME: &str = "settings.json";
const VERSION: u64 = 1;

/// What the person chose, and the name of this installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Eight random hex digits, made once: keeps the keyring entries of several data folders apart.
    pub installation: String,
    /// Where the person wants secrets; `None` until they chose.
    #[serde(default)]
    pub secret_store: Option<SecretStoreKind>,
    /// Where the control endpoint listens; `None` for the usual port.
    #[serde(default)]
    pub control_port: Option<u16>,
}

/// `settings.json` in the data folder.
#[derive(Debug)]
pub struct SettingsFile {
    file: VersionedFile,
}

impl SettingsFile {
    /// The settings of this data folder. Touches nothing yet.
    pub fn new(dir: &DataDir) -> Self {
        Self {
            file: VersionedFile::new(dir.path().join(NAME), VERSION),
        }
    }

    /// Reads the settings; makes and saves them if there never was a file.
    ///
    /// # Errors
    /// As [`crate::RegistryFile::load`] and [`SettingsFile::save`]; [`Error::NoRandomness`].
    pub fn load(&self) -> Result<Settings, Error> {
        if let Some(settings) = self.file.load()? {
            return Ok(settings);
        }
        let settings = Settings {
            installation: format!("{:08x}", getrandom::u32().map_err(Error::NoRandomness)?),
            secret_store: None,
            control_port: None,
        };
        self.save(&settings)?;
        Ok(settings)
    }

    /// Writes the settings and their last good copy.
    ///
    /// # Errors
    /// As [`crate::RegistryFile::save`].
    pub fn save(&self, settings: &Settings) -> Result<(), Error> {
        self.file.save(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installation_is_named_once_per_data_folder() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let load = |folder: &tempfile::TempDir| {
            let dir = DataDir::at(folder.path()).unwrap();
            SettingsFile::new(&dir).load().unwrap()
        };
        let settings = load(&first);
        assert_eq!(settings.installation.len(), 8);
        assert_eq!(load(&first), settings);
        assert_ne!(load(&second).installation, settings.installation);
    }

    #[test]
    fn the_format_on_disk_changes_only_by_decision() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        let file = SettingsFile::new(&dir);
        let settings = Settings {
            installation: "0123abcd".to_owned(),
            secret_store: Some(SecretStoreKind::Keyring),
            control_port: Some(8765),
        };
        file.save(&settings).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(dir.path().join(NAME)).unwrap(), @r#"
        {
          "version": 1,
          "installation": "0123abcd",
          "secretStore": "keyring",
          "controlPort": 8765
        }
        "#);
        assert_eq!(file.load().unwrap(), settings);
    }
}
