//! Unix files and the Keychain of the login.

#[path = "unix.rs"]
mod unix;

pub(crate) use unix::{make_private_dir, open_lock, open_private, sync_dir};

use apple_native_keyring_store::keychain::Store;
use keyring_core::{CredentialStore, Entry, Result};
use std::sync::Arc;

const USER_CANCELED: i32 = -128;
const AUTHORISATION_FAILED: i32 = -25293;
const INTERACTION_NOT_ALLOWED: i32 = -25308;
const INTERACTION_REQUIRED: i32 = -25315;

pub(crate) fn open_keyring() -> Result<Arc<CredentialStore>> {
    Ok(Store::new()?)
}

pub(crate) fn entry(store: &CredentialStore, service: &str, user: &str) -> Result<Entry> {
    store.build(service, user, None)
}

/// The Keychain tells only when an entry is used.
pub(crate) fn check_unlocked() -> Result<()> {
    Ok(())
}

/// Does this failure mean that a person has to unlock or allow something?
pub(crate) fn says_locked(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let code = cause
        .downcast_ref()
        .map(|error: &security_framework::base::Error| error.code());
    matches!(
        code,
        Some(USER_CANCELED | AUTHORISATION_FAILED | INTERACTION_NOT_ALLOWED | INTERACTION_REQUIRED)
    )
}

#[cfg(test)]
mod tests {
    use crate::vault::{keyring::keyring_vault, tests::keeps_the_contract};

    #[test]
    fn the_keychain_keeps_the_contract() {
        keeps_the_contract(&*keyring_vault("contract"));
    }
}
