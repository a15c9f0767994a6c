//! Secrets by their types, over any vault.

use crate::{
    error::Error,
    vault::{SecretKey, SecretKind, Vault},
};
use companion_core::{GatewayId, snapshot::SecretStoreKind};
use gateway_protocol::{BootstrapToken, DeviceToken, IdentitySeed, Role, Scopes, SharedToken};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What the Credential Manager of Windows holds as text; the same everywhere, so that a store can be changed.
const MAX_LENGTH: usize = 1280;

/// Every secret of every gateway, in the store that was chosen.
#[derive(Debug, Clone)]
pub struct Secrets {
    vault: Arc<dyn Vault>,
}

/// A device token and what it may do. Stored as one entry, so that they are never apart.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredToken {
    /// The token.
    pub token: DeviceToken,
    /// The scopes that were granted with it; none for a node.
    pub scopes: Scopes,
}

impl Secrets {
    /// Keeps secrets in this vault.
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault }
    }

    /// Which store it is.
    pub fn kind(&self) -> SecretStoreKind {
        self.vault.kind()
    }

    /// Could secrets be stored and read now? Shows no prompt.
    ///
    /// # Errors
    /// [`Error::Vault`] says why not.
    pub fn probe(&self) -> Result<(), Error> {
        Ok(self.vault.probe()?)
    }

    /// The key of this device at a gateway, if it was made.
    ///
    /// # Errors
    /// [`Error::Vault`]; [`Error::UnreadableSecret`] if the entry is not ours.
    pub fn identity(&self, gateway: &GatewayId) -> Result<Option<IdentitySeed>, Error> {
        let Some(text) = self.read(gateway, SecretKind::Identity)? else {
            return Ok(None);
        };
        IdentitySeed::parse(text.expose_secret())
            .map(Some)
            .ok_or(Error::UnreadableSecret(SecretKind::Identity))
    }

    /// The key of this device at a gateway; made and stored now if there is none, since replacing one would end its
    /// pairing.
    ///
    /// # Errors
    /// [`Error::NoRandomness`], and those of [`Secrets::identity`] and [`Secrets::save_shared_token`].
    pub fn make_identity(&self, gateway: &GatewayId) -> Result<IdentitySeed, Error> {
        if let Some(identity) = self.identity(gateway)? {
            return Ok(identity);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(Error::NoRandomness)?;
        let identity = IdentitySeed::new(*bytes);
        self.keep(gateway, SecretKind::Identity, &identity.expose())?;
        Ok(identity)
    }

    /// The device token of a role, with its scopes.
    ///
    /// # Errors
    /// As [`Secrets::identity`].
    pub fn device_token(
        &self,
        gateway: &GatewayId,
        role: Role,
    ) -> Result<Option<StoredToken>, Error> {
        let kind = SecretKind::DeviceToken(role);
        let Some(text) = self.read(gateway, kind)? else {
            return Ok(None);
        };
        // the reason is dropped, it can quote the token
        serde_json::from_str(text.expose_secret())
            .map(Some)
            .map_err(|_| Error::UnreadableSecret(kind))
    }

    /// Stores the device token of a role and makes sure that it is kept.
    ///
    /// # Errors
    /// As [`Secrets::save_shared_token`].
    pub fn save_device_token(
        &self,
        gateway: &GatewayId,
        role: Role,
        token: &StoredToken,
    ) -> Result<(), Error> {
        let kind = SecretKind::DeviceToken(role);
        let mut json = Zeroizing::new(Vec::with_capacity(2 * MAX_LENGTH));
        let entry = TokenEntry {
            token: token.token.expose(),
            scopes: &token.scopes,
        };
        serde_json::to_writer(&mut *json, &entry).map_err(|_| Error::UnreadableSecret(kind))?;
        let text = str::from_utf8(&json).map_err(|_| Error::UnreadableSecret(kind))?;
        self.keep(gateway, kind, &text.into())
    }

    /// Removes the device token of a role; also fine if there is none.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn forget_device_token(&self, gateway: &GatewayId, role: Role) -> Result<(), Error> {
        self.forget(gateway, SecretKind::DeviceToken(role))
    }

    /// The gateway's own token.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn shared_token(&self, gateway: &GatewayId) -> Result<Option<SharedToken>, Error> {
        let text = self.read(gateway, SecretKind::SharedToken)?;
        Ok(text.map(|text| SharedToken::new(text.expose_secret())))
    }

    /// Stores the gateway's own token and makes sure that it is kept.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Vault`], or [`Error::NotKept`] if reading back gave something else.
    pub fn save_shared_token(&self, gateway: &GatewayId, token: &SharedToken) -> Result<(), Error> {
        self.keep(gateway, SecretKind::SharedToken, &token.expose().into())
    }

    /// Removes the gateway's own token; also fine if there is none.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn forget_shared_token(&self, gateway: &GatewayId) -> Result<(), Error> {
        self.forget(gateway, SecretKind::SharedToken)
    }

    /// The token of a setup code that is not wholly redeemed.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn bootstrap_token(&self, gateway: &GatewayId) -> Result<Option<BootstrapToken>, Error> {
        let text = self.read(gateway, SecretKind::BootstrapToken)?;
        Ok(text.map(|text| BootstrapToken::new(text.expose_secret())))
    }

    /// Stores the token of a setup code and makes sure that it is kept.
    ///
    /// # Errors
    /// As [`Secrets::save_shared_token`].
    pub fn save_bootstrap_token(
        &self,
        gateway: &GatewayId,
        token: &BootstrapToken,
    ) -> Result<(), Error> {
        self.keep(gateway, SecretKind::BootstrapToken, &token.expose().into())
    }

    /// Removes the token of a setup code; also fine if there is none.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn forget_bootstrap_token(&self, gateway: &GatewayId) -> Result<(), Error> {
        self.forget(gateway, SecretKind::BootstrapToken)
    }

    /// Removes every secret of a gateway, as many as can be.
    ///
    /// # Errors
    /// The first [`Error::Vault`]; the others were tried all the same.
    pub fn forget_gateway(&self, gateway: &GatewayId) -> Result<(), Error> {
        SecretKind::ALL
            .into_iter()
            .map(|kind| self.forget(gateway, kind))
            .fold(Ok(()), Result::and)
    }

    fn read(&self, gateway: &GatewayId, kind: SecretKind) -> Result<Option<SecretString>, Error> {
        Ok(self.vault.read(&key(gateway, kind))?)
    }

    fn keep(
        &self,
        gateway: &GatewayId,
        kind: SecretKind,
        secret: &SecretString,
    ) -> Result<(), Error> {
        if secret.expose_secret().len() > MAX_LENGTH {
            return Err(Error::TooLarge(kind));
        }
        let key = key(gateway, kind);
        self.vault.write(&key, secret)?;
        match self.vault.read(&key)? {
            Some(kept) if same(&kept, secret) => Ok(()),
            Some(_) | None => Err(Error::NotKept(kind)),
        }
    }

    fn forget(&self, gateway: &GatewayId, kind: SecretKind) -> Result<(), Error> {
        Ok(self.vault.delete(&key(gateway, kind))?)
    }
}

/// Compares in constant time.
pub(crate) fn same(one: &SecretString, other: &SecretString) -> bool {
    let (one, other) = (one.expose_secret(), other.expose_secret());
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn key(gateway: &GatewayId, kind: SecretKind) -> SecretKey {
    SecretKey {
        gateway: gateway.clone(),
        kind,
    }
}

#[derive(Serialize)]
struct TokenEntry<'a> {
    token: &'a str,
    scopes: &'a Scopes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{VaultError, memory::memory_vault};
    use gateway_protocol::{DeviceIdentity, Scope};

    #[test]
    fn a_device_keeps_its_key_for_ever() {
        let secrets = secrets();
        assert!(secrets.identity(&home()).unwrap().is_none());
        let made = secrets.make_identity(&home()).unwrap();
        let again = secrets.make_identity(&home()).unwrap();
        let read = secrets.identity(&home()).unwrap().unwrap();
        let elsewhere = secrets.make_identity(&GatewayId::new("gw-2")).unwrap();
        let id = |seed| DeviceIdentity::from_seed(&seed).id().clone();
        let first = id(made);
        assert_eq!(id(again), first);
        assert_eq!(id(read), first);
        assert_ne!(id(elsewhere), first);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_not_replaced() {
        let secrets = secrets();
        let broken = SecretString::from("not a seed");
        let key = key(&home(), SecretKind::Identity);
        secrets.vault.write(&key, &broken).unwrap();
        assert!(matches!(
            secrets.make_identity(&home()),
            Err(Error::UnreadableSecret(SecretKind::Identity))
        ));
        assert!(same(&secrets.vault.read(&key).unwrap().unwrap(), &broken));
    }

    #[test]
    fn a_token_and_its_scopes_are_one_entry() {
        let secrets = secrets();
        let scopes: Scopes = [Scope::Read, Scope::Write].into_iter().collect();
        let token = StoredToken {
            token: DeviceToken::new("CANARY"),
            scopes: scopes.clone(),
        };
        secrets
            .save_device_token(&home(), Role::Operator, &token)
            .unwrap();
        let entry = secrets
            .read(&home(), SecretKind::DeviceToken(Role::Operator))
            .unwrap()
            .unwrap();
        insta::assert_snapshot!(entry.expose_secret(), @r#"{"token":"CANARY","scopes":["operator.read","operator.write"]}"#);
        let read = secrets
            .device_token(&home(), Role::Operator)
            .unwrap()
            .unwrap();
        assert!(read.token.matches(&token.token));
        assert_eq!(read.scopes, scopes);
        assert!(secrets.device_token(&home(), Role::Node).unwrap().is_none());
    }

    #[test]
    fn a_forgotten_gateway_leaves_nothing() {
        let secrets = secrets();
        fill(&secrets);
        secrets.forget_bootstrap_token(&home()).unwrap();
        secrets.forget_shared_token(&home()).unwrap();
        assert!(secrets.device_token(&home(), Role::Node).unwrap().is_some());
        assert!(secrets.shared_token(&home()).unwrap().is_none());
        assert!(secrets.bootstrap_token(&home()).unwrap().is_none());
        secrets.forget_gateway(&home()).unwrap();
        for kind in SecretKind::ALL {
            assert!(secrets.read(&home(), kind).unwrap().is_none(), "{kind}");
        }
    }

    #[test]
    fn a_secret_that_not_every_store_could_hold_is_refused_before_it_is_written() {
        let secrets = secrets();
        let longest = SharedToken::new("x".repeat(MAX_LENGTH));
        secrets.save_shared_token(&home(), &longest).unwrap();
        let longer = SharedToken::new("x".repeat(MAX_LENGTH + 1));
        let refused = secrets.save_shared_token(&home(), &longer);
        assert!(matches!(
            refused,
            Err(Error::TooLarge(SecretKind::SharedToken))
        ));
        let token = StoredToken {
            token: DeviceToken::new("x".repeat(MAX_LENGTH)),
            scopes: Scopes::none(),
        };
        let refused = secrets.save_device_token(&home(), Role::Node, &token);
        assert!(matches!(refused, Err(Error::TooLarge(_))));
        let kept = secrets.shared_token(&home()).unwrap().unwrap();
        assert!(kept.matches(&longest));
    }

    #[test]
    fn a_store_that_keeps_something_else_is_found_out() {
        for lie in [None, Some("an older token")] {
            let secrets = Secrets::new(Arc::new(LyingVault(lie)));
            let token = SharedToken::new("the new token");
            assert!(matches!(
                secrets.save_shared_token(&home(), &token),
                Err(Error::NotKept(SecretKind::SharedToken))
            ));
        }
        let identity = Secrets::new(Arc::new(LyingVault(None))).make_identity(&home());
        assert!(matches!(
            identity,
            Err(Error::NotKept(SecretKind::Identity))
        ));
    }

    #[test]
    fn debug_and_errors_hold_no_secret() {
        let secrets = secrets();
        fill(&secrets);
        let token = secrets.device_token(&home(), Role::Node).unwrap();
        let broken = SecretString::from("{\"token\": \"CANARY\", \"scopes\": \"CANARY\"}");
        let key = key(&home(), SecretKind::DeviceToken(Role::Node));
        secrets.vault.write(&key, &broken).unwrap();
        let error = secrets.device_token(&home(), Role::Node).unwrap_err();
        let shown = format!("{secrets:?} {token:?} {error:?} {error}");
        assert!(!shown.contains("CANARY"), "{shown}");
    }

    fn fill(secrets: &Secrets) {
        secrets.make_identity(&home()).unwrap();
        for (role, scopes) in [
            (Role::Operator, Scopes::full_code()),
            (Role::Node, Scopes::none()),
        ] {
            let token = DeviceToken::new("CANARY-device");
            secrets
                .save_device_token(&home(), role, &StoredToken { token, scopes })
                .unwrap();
        }
        secrets
            .save_shared_token(&home(), &SharedToken::new("CANARY-shared"))
            .unwrap();
        secrets
            .save_bootstrap_token(&home(), &BootstrapToken::new("CANARY-bootstrap"))
            .unwrap();
    }

    fn secrets() -> Secrets {
        Secrets::new(memory_vault())
    }

    fn home() -> GatewayId {
        GatewayId::new("gw-1")
    }

    /// Says yes to every write and reads what it likes.
    #[derive(Debug)]
    struct LyingVault(Option<&'static str>);

    impl Vault for LyingVault {
        fn kind(&self) -> SecretStoreKind {
            SecretStoreKind::Keyring
        }

        fn probe(&self) -> Result<(), VaultError> {
            Ok(())
        }

        fn read(&self, _: &SecretKey) -> Result<Option<SecretString>, VaultError> {
            Ok(self.0.map(SecretString::from))
        }

        fn write(&self, _: &SecretKey, _: &SecretString) -> Result<(), VaultError> {
            Ok(())
        }

        fn delete(&self, _: &SecretKey) -> Result<(), VaultError> {
            Ok(())
        }
    }
}
