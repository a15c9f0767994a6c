//! The owner-only file, for people who chose it. Plain text, and it says so.

use super::{SecretKey, Vault, VaultError};
use crate::{data_dir::DataDir, error::Error, versioned::VersionedFile};
use companion_core::snapshot::SecretStoreKind;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

const NAME: &str = "vault.json";
const VERSION: u64 = 1;
const NOTE: &str = "Not encrypted. Whoever reads this file can use these gateways as its owner.";

/// Keeps secrets in `vault.json` in this data folder: not encrypted, readable by its owner only.
pub fn file_vault(dir: &DataDir) -> Arc<dyn Vault> {
    Arc::new(FileVault {
        file: Mutex::new(VersionedFile::new(dir.path().join(NAME), VERSION)),
    })
}

#[derive(Debug)]
struct FileVault {
    /// The lock spans reading and writing, so that no entry of another thread is lost between.
    file: Mutex<VersionedFile>,
}

impl FileVault {
    fn with<T>(
        &self,
        work: impl FnOnce(&VersionedFile, Content) -> Result<T, Error>,
    ) -> Result<T, VaultError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let content = file.load()?.unwrap_or_default();
        Ok(work(&file, content)?)
    }
}

impl Vault for FileVault {
    fn kind(&self) -> SecretStoreKind {
        SecretStoreKind::File
    }

    fn probe(&self) -> Result<(), VaultError> {
        self.with(|file, _| {
            let folder = file.path().parent().unwrap_or(file.path());
            tempfile::tempfile_in(folder)
                .map(drop)
                .map_err(Error::io("write into", folder))
        })
    }

    fn read(&self, key: &SecretKey) -> Result<Option<SecretString>, VaultError> {
        self.with(|_, mut content| Ok(content.entries.remove(&key.to_string()).map(|text| text.0)))
    }

    fn write(&self, key: &SecretKey, secret: &SecretString) -> Result<(), VaultError> {
        self.with(|file, mut content| {
            content
                .entries
                .insert(key.to_string(), Text(secret.clone()));
            file.save(&content)
        })
    }

    fn delete(&self, key: &SecretKey) -> Result<(), VaultError> {
        self.with(
            |file, mut content| match content.entries.remove(&key.to_string()) {
                Some(_) => file.save(&content),
                None => Ok(()),
            },
        )
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    /// For people; what stands there is not read.
    #[serde(skip_deserializing, default = "note")]
    note: &'static str,
    entries: BTreeMap<String, Text>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            note: NOTE,
            entries: BTreeMap::new(),
        }
    }
}

fn note() -> &'static str {
    NOTE
}

/// A secret that may be written, here only.
struct Text(SecretString);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{
        SecretKind,
        tests::{holds, key},
    };
    use std::fs;

    #[test]
    fn the_format_on_disk_changes_only_by_decision() {
        let (_folder, dir) = dir();
        let vault = file_vault(&dir);
        for kind in SecretKind::ALL {
            vault
                .write(&key("gw-1", kind), &format!("the {kind}").into())
                .unwrap();
        }
        insta::assert_snapshot!(fs::read_to_string(dir.path().join(NAME)).unwrap(), @r#"
        {
          "version": 1,
          "note": "Not encrypted. Whoever reads this file can use these gateways as its owner.",
          "entries": {
            "gw-1/bootstrap-token": "the bootstrap token",
            "gw-1/device-token-node": "the node's device token",
            "gw-1/device-token-operator": "the operator's device token",
            "gw-1/identity": "the device key",
            "gw-1/shared-token": "the shared token"
          }
        }
        "#);
    }

    #[test]
    fn what_a_person_notes_does_not_matter() {
        let (_folder, dir) = dir();
        let json = r#"{"version": 1, "note": ["mine"], "entries": {"gw-1/identity": "seed"}}"#;
        crate::write_private(&dir.path().join(NAME), json.as_bytes()).unwrap();
        let name = key("gw-1", SecretKind::Identity);
        assert!(holds(&*file_vault(&dir), &name, &"seed".into()));
    }

    #[test]
    fn a_corrupt_file_is_reported_without_its_secrets_and_the_last_good_copy_is_used() {
        let (_folder, dir) = dir();
        let vault = file_vault(&dir);
        let name = key("gw-1", SecretKind::Identity);
        vault.write(&name, &"CANARY".into()).unwrap();
        let broken = r#"{"version": 1, "entries": "CANARY"}"#;
        crate::write_private(&dir.path().join(NAME), broken.as_bytes()).unwrap();
        let error = vault.read(&name).unwrap_err();
        assert!(!format!("{error:?} {error} {vault:?}").contains("CANARY"));
        let VaultError::File(error) = error else {
            panic!("{error}")
        };
        assert!(matches!(*error, Error::Unreadable { .. }));
        assert!(holds(&*vault, &name, &"CANARY".into()));
    }

    #[test]
    fn a_forgotten_secret_is_in_no_file_any_more() {
        let (_folder, dir) = dir();
        let vault = file_vault(&dir);
        let name = key("gw-1", SecretKind::Identity);
        vault.write(&name, &"CANARY".into()).unwrap();
        vault.delete(&name).unwrap();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let content = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(!content.contains("CANARY"));
        }
    }

    #[test]
    fn writers_do_not_lose_each_others_entries() {
        let (_folder, dir) = dir();
        let vault = file_vault(&dir);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let vault = &vault;
                scope.spawn(move || {
                    for kind in SecretKind::ALL {
                        let name = key(&format!("gw-{number}"), kind);
                        vault.write(&name, &"kept".into()).unwrap();
                    }
                });
            }
        });
        for number in 0..4 {
            for kind in SecretKind::ALL {
                let name = key(&format!("gw-{number}"), kind);
                assert!(holds(&*vault, &name, &"kept".into()), "{name}");
            }
        }
    }

    fn dir() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        (folder, dir)
    }
}
