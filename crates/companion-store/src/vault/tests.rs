//! What every vault must do.

use super::{SecretKey, SecretKind, Vault, file::file_vault, memory::memory_vault};
use crate::{data_dir::DataDir, secrets::same};
use companion_core::GatewayId;
use secrecy::SecretString;

/// The contract, on an empty vault; leaves it empty.
pub(crate) fn keeps_the_contract(vault: &dyn Vault) {
    vault.probe().unwrap();
    let names = || {
        ["gw-1", "gw-2"]
            .into_iter()
            .flat_map(|gateway| SecretKind::ALL.map(|kind| key(gateway, kind)))
    };
    for key in names() {
        assert!(vault.read(&key).unwrap().is_none(), "{key} is empty");
        vault.delete(&key).unwrap();
    }
    for key in names() {
        vault.write(&key, &secret(&key, 1)).unwrap();
    }
    for key in names() {
        assert!(
            holds(vault, &key, &secret(&key, 1)),
            "{key} is apart from others"
        );
    }
    let changed = key("gw-1", SecretKind::Identity);
    for text in [
        "new",
        "{\"quotes\": \"\\\"\", \"lines\": \"\n\u{1f980}\"}",
        &"x".repeat(1280),
    ] {
        vault.write(&changed, &text.into()).unwrap();
        assert!(holds(vault, &changed, &text.into()), "{text}");
    }
    vault.delete(&changed).unwrap();
    assert!(vault.read(&changed).unwrap().is_none());
    let untouched = names().filter(|key| *key != changed);
    for key in untouched {
        assert!(holds(vault, &key, &secret(&key, 1)), "{key} is untouched");
        vault.delete(&key).unwrap();
        assert!(vault.read(&key).unwrap().is_none());
    }
}

#[test]
fn memory_keeps_the_contract() {
    keeps_the_contract(&*memory_vault());
}

#[test]
fn a_file_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    keeps_the_contract(&*file_vault(&DataDir::at(folder.path()).unwrap()));
}

pub(crate) fn key(gateway: &str, kind: SecretKind) -> SecretKey {
    SecretKey {
        gateway: GatewayId::new(gateway),
        kind,
    }
}

pub(crate) fn holds(vault: &dyn Vault, key: &SecretKey, secret: &SecretString) -> bool {
    vault
        .read(key)
        .unwrap()
        .is_some_and(|kept| same(&kept, secret))
}

fn secret(key: &SecretKey, version: u32) -> SecretString {
    format!("{key} {version}").into()
}
