//! A data folder that an older version wrote opens without losing a pairing. The folders under `fixtures` are never
//! changed; a new format adds one.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use companion_core::{Access, GatewayId, Origin, Setup, Timestamp, snapshot::SecretStoreKind};
use companion_store::{
    DataDir, RegistryFile, Secrets, Settings, SettingsFile, file_vault, write_private,
};
use gateway_protocol::{BootstrapToken, DeviceIdentity, DeviceToken, Role, Scopes, SharedToken};
use std::{fs, path::Path};

#[test]
fn state_of_version_1_opens_with_every_pairing() {
    let (_folder, dir) = opened("state-v1");
    let settings = SettingsFile::new(&dir).load().unwrap();
    let expected = Settings {
        installation: "0123abcd".to_owned(),
        secret_store: Some(SecretStoreKind::File),
        control_port: Some(8765),
    };
    assert_eq!(settings, expected);

    let registry = RegistryFile::new(&dir).load().unwrap();
    let [local, home] = &registry.gateways[..] else {
        panic!("two gateways: {registry:?}")
    };
    assert_eq!(registry.primary.as_ref(), Some(&local.id));
    assert_eq!(local.origin, Origin::Local);
    assert_eq!(local.place(), "127.0.0.1:18789");
    assert_eq!(local.roles, Role::ALL);
    assert_eq!(local.consent, ["system.notify", "system.which"]);
    assert_eq!(local.used_codes, ["8899aabbccddeeff"]);
    assert_eq!(local.setup, None);
    assert_eq!(home.id, GatewayId::new("gw-4e5f6a7b"));
    assert_eq!(home.origin, Origin::Paired);
    assert_eq!(home.fallbacks.len(), 1);
    assert!(home.pin.is_some());
    let setup = Setup {
        code: "0011223344556677".to_owned(),
        access: Access::Limited,
        remaining: Role::ALL.to_vec(),
        expires_at: Some(Timestamp(1_795_189_837_237)),
        pin: None,
        fresh: vec![],
    };
    assert_eq!(home.setup, Some(setup));

    let secrets = Secrets::new(file_vault(&dir));
    let identity = secrets.identity(&local.id).unwrap().unwrap();
    let device = DeviceIdentity::from_seed(&identity);
    assert_eq!(Some(device.id()), local.device_id.as_ref());
    for (role, token) in [
        (Role::Operator, "fixture-operator-token"),
        (Role::Node, "fixture-node-token"),
    ] {
        let stored = secrets.device_token(&local.id, role).unwrap().unwrap();
        assert!(stored.token.matches(&DeviceToken::new(token)), "{role}");
    }
    let shared = secrets.shared_token(&local.id).unwrap().unwrap();
    assert!(shared.matches(&SharedToken::new("fixture-shared-token")));
    let operator = secrets
        .device_token(&local.id, Role::Operator)
        .unwrap()
        .unwrap();
    assert_eq!(operator.scopes, Scopes::full_code());
    let bootstrap = secrets.bootstrap_token(&home.id).unwrap().unwrap();
    assert!(bootstrap.matches(&BootstrapToken::new("fixture-bootstrap-token")));
}

/// A copy of the fixture, private as git cannot keep it.
fn opened(fixture: &str) -> (tempfile::TempDir, DataDir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::at(folder.path()).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(fixture);
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        let content = fs::read(entry.path()).unwrap();
        write_private(&dir.path().join(entry.file_name()), &content).unwrap();
    }
    (folder, dir)
}
