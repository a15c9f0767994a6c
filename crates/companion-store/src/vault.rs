//! Where secrets are kept: one trait, three stores.

pub(crate) mod file;
pub(crate) mod keyring;
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod tests;

use crate::error::Error;
use companion_core::{GatewayId, snapshot::SecretStoreKind};
use gateway_protocol::Role;
use secrecy::SecretString;
use std::fmt;

/// What a secret is of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// The seed of this device's key there.
    Identity,
    /// The device token of a role, with its scopes.
    DeviceToken(Role),
    /// The gateway's own token.
    SharedToken,
    /// The token of a setup code that is not wholly redeemed.
    BootstrapToken,
}

impl SecretKind {
    /// Every kind that a gateway can have.
    pub const ALL: [Self; 5] = [
        Self::Identity,
        Self::DeviceToken(Role::Operator),
        Self::DeviceToken(Role::Node),
        Self::SharedToken,
        Self::BootstrapToken,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::DeviceToken(Role::Operator) => "device-token-operator",
            Self::DeviceToken(Role::Node) => "device-token-node",
            Self::SharedToken => "shared-token",
            Self::BootstrapToken => "bootstrap-token",
        }
    }
}

/// In words, for messages.
impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "device key",
            Self::DeviceToken(Role::Operator) => "operator's device token",
            Self::DeviceToken(Role::Node) => "node's device token",
            Self::SharedToken => "shared token",
            Self::BootstrapToken => "bootstrap token",
        })
    }
}

/// The name of one secret: `GATEWAY/KIND`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretKey {
    /// Of which gateway.
    pub gateway: GatewayId,
    /// Which one.
    pub kind: SecretKind,
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gateway, self.kind.name())
    }
}

/// A place for secrets. All calls block, none longer than about ten seconds.
pub trait Vault: Send + Sync + fmt::Debug {
    /// Which store it is.
    fn kind(&self) -> SecretStoreKind;

    /// Could it be used now? Asks nobody: a locked store answers so without showing a prompt.
    ///
    /// # Errors
    /// Why not.
    fn probe(&self) -> Result<(), VaultError>;

    /// Reads a secret; `None` if there is none. The system may ask the person to unlock the store.
    ///
    /// # Errors
    /// Why it is not known.
    fn read(&self, key: &SecretKey) -> Result<Option<SecretString>, VaultError>;

    /// Writes a secret, in place of an older one. The system may ask the person to unlock the store.
    ///
    /// # Errors
    /// Why it may not be stored. After [`VaultError::Locked`] it may still be: a late answer to the prompt counts.
    fn write(&self, key: &SecretKey, secret: &SecretString) -> Result<(), VaultError>;

    /// Removes a secret; also fine if there is none.
    ///
    /// # Errors
    /// Why it may still be there.
    fn delete(&self, key: &SecretKey) -> Result<(), VaultError>;
}

/// What a store of the system said, as far as it holds no secret.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a secret store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Nothing answers, or nothing there can hold an entry.
    #[error("this system has no keyring that can be used")]
    Unavailable(#[source] Cause),
    /// A person has to unlock it.
    #[error("the keyring is locked")]
    Locked(#[source] Cause),
    /// The store has no room for a secret this long.
    #[error("the keyring has no room for a secret this long")]
    TooLarge,
    /// The entry was not written by us.
    #[error("the entry in the keyring is not text")]
    Unreadable,
    /// The store answered with something else.
    #[error("the keyring refused: {0}")]
    Refused(&'static str),
    /// The vault file.
    #[error(transparent)]
    File(Box<Error>),
}

impl VaultError {
    /// Does it wait for a person to unlock it?
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_))
    }

    /// Is there no store at all?
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<Error> for VaultError {
    fn from(error: Error) -> Self {
        Self::File(Box::new(error))
    }
}
