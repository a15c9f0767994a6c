//! Secrets that end with the process.

use super::{SecretKey, Vault, VaultError};
use companion_core::snapshot::SecretStoreKind;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Keeps secrets in memory only: every start pairs anew.
pub fn memory_vault() -> Arc<dyn Vault> {
    Arc::new(MemoryVault::default())
}

#[derive(Debug, Default)]
struct MemoryVault {
    entries: Mutex<BTreeMap<SecretKey, SecretString>>,
}

impl MemoryVault {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<SecretKey, SecretString>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for MemoryVault {
    fn kind(&self) -> SecretStoreKind {
        SecretStoreKind::Memory
    }

    fn probe(&self) -> Result<(), VaultError> {
        Ok(())
    }

    fn read(&self, key: &SecretKey) -> Result<Option<SecretString>, VaultError> {
        Ok(self.entries().get(key).cloned())
    }

    fn write(&self, key: &SecretKey, secret: &SecretString) -> Result<(), VaultError> {
        self.entries().insert(key.clone(), secret.clone());
        Ok(())
    }

    fn delete(&self, key: &SecretKey) -> Result<(), VaultError> {
        self.entries().remove(key);
        Ok(())
    }
}
