//! Files in the profile of the user, and the Credential Manager.
//!
//! Owners and access lists are not looked at: what is made inside a profile is closed to other users by the list that
//! it inherits.

use crate::error::Error;
use keyring_core::{CredentialStore, Entry, Result};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};
use windows_native_keyring_store::Store;

pub(crate) fn make_private_dir(path: &Path) -> std::result::Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::io("make", path))
}

/// Opens a plain file to read.
pub(crate) fn open_private(path: &Path) -> std::result::Result<File, Error> {
    let metadata = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    File::open(path).map_err(Error::io("open", path))
}

/// Opens the lock file, making it if it is missing.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// A rename needs no more here: NTFS keeps a journal of its folders.
pub(crate) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn open_keyring() -> Result<Arc<CredentialStore>> {
    Ok(Store::new()?)
}

/// An entry that stays on this computer when the profile roams.
pub(crate) fn entry(store: &CredentialStore, service: &str, user: &str) -> Result<Entry> {
    let modifiers = HashMap::from([("persistence", "Local")]);
    store.build(service, user, Some(&modifiers))
}

/// The Credential Manager is open as long as its user is logged in.
pub(crate) fn check_unlocked() -> Result<()> {
    Ok(())
}

/// Nothing waits for a person here.
pub(crate) fn says_locked(_: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use crate::vault::{keyring::keyring_vault, tests::keeps_the_contract};

    #[test]
    fn the_credential_manager_keeps_the_contract() {
        keeps_the_contract(&*keyring_vault("contract"));
    }
}
