//! The gateway registry on disk.

use crate::{data_dir::DataDir, error::Error, versioned::VersionedFile};
use companion_core::Registry;

const NAME: &str = "gateways.json";
const VERSION: u64 = 1;

/// `gateways.json` in the data folder: every known gateway, no secrets.
#[derive(Debug)]
pub struct RegistryFile {
    file: VersionedFile,
}

impl RegistryFile {
    /// The registry of this data folder. Touches nothing yet.
    pub fn new(dir: &DataDir) -> Self {
        Self {
            file: VersionedFile::new(dir.path().join(NAME), VERSION),
        }
    }

    /// Reads the registry; an empty one if there never was a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`] once per broken file, which is kept aside: load again for the last good copy.
    /// [`Error::NewerVersion`] leaves the file as it is. Else as [`crate::read_private`].
    pub fn load(&self) -> Result<Registry, Error> {
        Ok(self.file.load()?.unwrap_or_default())
    }

    /// Writes the registry and its last good copy.
    ///
    /// # Errors
    /// [`Error::NewerVersion`] if the file is of a newer format; else as [`crate::write_private`].
    pub fn save(&self, registry: &Registry) -> Result<(), Error> {
        self.file.save(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use companion_core::{Access, GatewayId, GatewayRecord, Origin, Setup, Timestamp};
    use gateway_protocol::{DeviceId, Endpoint, Role, Scopes};

    #[test]
    fn a_missing_file_is_an_empty_registry() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        assert_eq!(RegistryFile::new(&dir).load().unwrap(), Registry::default());
    }

    #[test]
    fn the_format_on_disk_changes_only_by_decision() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        let file = RegistryFile::new(&dir);
        file.save(&registry()).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(dir.path().join(NAME)).unwrap(), @r#"
        {
          "version": 1,
          "gateways": [
            {
              "id": "gw-0123abcd",
              "name": "home",
              "endpoint": "ws://127.0.0.1:18789/",
              "fallbacks": [
                "wss://home.example.ts.net/"
              ],
              "pin": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
              "deviceId": "56475aa7",
              "origin": "local",
              "roles": [
                "operator",
                "node"
              ],
              "consent": [
                "system.notify",
                "system.which"
              ],
              "setup": {
                "code": "0011223344556677",
                "access": "limited",
                "remaining": [
                  "operator"
                ],
                "expiresAt": "2026-11-20T15:50:37.237Z",
                "pin": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                "fresh": [
                  "operator"
                ]
              },
              "usedCodes": [
                "8899aabbccddeeff"
              ],
              "asked": [
                "operator.approvals",
                "operator.questions",
                "operator.read",
                "operator.write"
              ],
              "rejected": [
                "node"
              ],
              "grantedBefore": [
                "operator.approvals",
                "operator.questions",
                "operator.read",
                "operator.write"
              ]
            }
          ],
          "primary": "gw-0123abcd"
        }
        "#);
        assert_eq!(file.load().unwrap(), registry());
    }

    fn registry() -> Registry {
        let id = GatewayId::new("gw-0123abcd");
        Registry {
            primary: Some(id.clone()),
            gateways: vec![GatewayRecord {
                id,
                name: "home".to_owned(),
                endpoint: Endpoint::parse("ws://127.0.0.1:18789").unwrap(),
                fallbacks: vec![Endpoint::parse("wss://home.example.ts.net").unwrap()],
                pin: Some(PIN.parse().unwrap()),
                device_id: Some(DeviceId::new("56475aa7")),
                origin: Origin::Local,
                roles: vec![Role::Operator, Role::Node],
                consent: vec!["system.notify".to_owned(), "system.which".to_owned()],
                setup: Some(Setup {
                    code: "0011223344556677".to_owned(),
                    access: Access::Limited,
                    remaining: vec![Role::Operator],
                    expires_at: Some(Timestamp(1_795_189_837_237)),
                    pin: Some(PIN.parse().unwrap()),
                    fresh: vec![Role::Operator],
                }),
                used_codes: vec!["8899aabbccddeeff".to_owned()],
                asked: Scopes::limited_code(),
                rejected: vec![Role::Node],
                granted_before: Some(Scopes::limited_code()),
            }],
        }
    }

    const PIN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
}
