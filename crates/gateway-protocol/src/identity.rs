//! A device is its Ed25519 key; its id is the key's fingerprint.

use crate::connect::{Challenge, Connect};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, fmt::Write};

/// The 32 bytes from which a device's key pair comes. Made from a secure random source by the caller.
pub struct IdentitySeed(SecretBox<[u8; 32]>);

impl IdentitySeed {
    /// Takes 32 bytes of a secure random source.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// Base64url text of the seed, for the secret store only.
    pub fn expose(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.0.expose_secret()).into()
    }

    /// Reads what [`IdentitySeed::expose`] gave; `None` if it is not 32 bytes of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()?
            .try_into()
            .ok()
            .map(Self::new)
    }
}

impl Clone for IdentitySeed {
    fn clone(&self) -> Self {
        Self::new(*self.0.expose_secret())
    }
}

impl fmt::Debug for IdentitySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySeed(redacted)")
    }
}

/// Lowercase hex SHA-256 of the raw public key: 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(String);

impl DeviceId {
    /// The id as the gateway writes it; it is compared, never parsed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The 64 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight characters: enough for a person to tell devices apart.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which signature payload is sent. The gateway takes both; v3 also covers platform and device family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureVersion {
    /// Nine fields, for gateways that refuse v3.
    V2,
    /// Eleven fields.
    #[default]
    V3,
}

/// The key pair of this device at one gateway.
#[derive(Clone)]
pub struct DeviceIdentity {
    key: SigningKey,
    id: DeviceId,
    public_key: String,
}

impl DeviceIdentity {
    /// Derives the key pair from its seed.
    pub fn from_seed(seed: &IdentitySeed) -> Self {
        let key = SigningKey::from_bytes(seed.0.expose_secret());
        let public = key.verifying_key().to_bytes();
        let id = Sha256::digest(public)
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                // writing to a String cannot fail
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        Self {
            key,
            id: DeviceId(id),
            public_key: URL_SAFE_NO_PAD.encode(public),
        }
    }

    /// This device's id.
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// The raw public key as 43 characters of base64url.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Signs what `connect` will say, bound to the challenge: 86 characters of base64url.
    pub fn sign(
        &self,
        connect: &Connect,
        challenge: &Challenge,
        version: SignatureVersion,
    ) -> String {
        let payload = self.payload(connect, challenge, version);
        URL_SAFE_NO_PAD.encode(self.key.sign(payload.as_bytes()).to_bytes())
    }

    fn payload(
        &self,
        connect: &Connect,
        challenge: &Challenge,
        version: SignatureVersion,
    ) -> String {
        let name = match version {
            SignatureVersion::V2 => "v2",
            SignatureVersion::V3 => "v3",
        };
        let mut fields = vec![
            name.to_owned(),
            self.id.0.clone(),
            connect.client.id.as_str().to_owned(),
            connect.client.mode.as_str().to_owned(),
            connect.role.as_str().to_owned(),
            connect.scopes.joined(),
            challenge.ts.to_string(),
            connect.auth.signed_token().to_owned(),
            challenge.nonce.clone(),
        ];
        if version == SignatureVersion::V3 {
            fields.push(connect.client.platform.trim().to_ascii_lowercase());
            fields.push(connect.client.device_family.trim().to_ascii_lowercase());
        }
        fields.join("|")
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceIdentity")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        connect::{Auth, ClientId, ClientInfo, ClientMode, Role},
        scope::{Scope, Scopes},
        secret::SharedToken,
    };

    const OPERATOR_V3: &str =
        "7AXoho5fkFR0TFOhMfwA-IWlmqjHHnIEWfZdSKeVhG-XuZ6M9NlAtpU0-58pO3uvAox55PmfQevaLJt6PjdXDA";
    const OPERATOR_V2: &str =
        "f5zOsFACT4h036qoqmPKeVPtdmYtjClhfugIB2OeuhU1fd9po74eDwGYF7O0MewLJt04mmyEb3RDohumlAcUCw";
    const NODE_V3: &str =
        "sl8Jt9ZF5zYOYDg2W_MSo2TkxAgdSbGMJAesUUEeBCEzlbd7Y1G4oTwxINsgDZM2Y8wnFEo1B35a-seYkTvLAw";

    #[test]
    fn agrees_with_the_vector_that_a_real_gateway_accepted() {
        let identity = vector_identity();
        assert_eq!(
            identity.id().as_str(),
            "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c"
        );
        assert_eq!(
            identity.public_key(),
            "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
        );
        let operator = connect(
            Role::Operator,
            ClientId::OpenclawLinux,
            ClientMode::Ui,
            [Scope::Read, Scope::Write].into_iter().collect(),
            Auth::Shared(SharedToken::new("test-shared-token")),
            ("Linux", "Linux"),
        );
        assert_eq!(
            identity.sign(&operator, &challenge(), SignatureVersion::V3),
            OPERATOR_V3
        );
        assert_eq!(
            identity.sign(&operator, &challenge(), SignatureVersion::V2),
            OPERATOR_V2
        );
        let node = connect(
            Role::Node,
            ClientId::NodeHost,
            ClientMode::Node,
            Scopes::none(),
            Auth::None,
            ("windows", "Windows"),
        );
        assert_eq!(
            identity.sign(&node, &challenge(), SignatureVersion::V3),
            NODE_V3
        );
    }

    #[test]
    fn a_seed_survives_the_secret_store() {
        let seed = IdentitySeed::new([7; 32]);
        let read = IdentitySeed::parse(seed.expose().expose_secret()).expect("parses");
        assert_eq!(
            DeviceIdentity::from_seed(&read).id(),
            DeviceIdentity::from_seed(&seed).id()
        );
        assert!(IdentitySeed::parse("too-short").is_none());
    }

    fn vector_identity() -> DeviceIdentity {
        let mut bytes = [0; 32];
        for (index, byte) in (0_u8..).zip(bytes.iter_mut()) {
            *byte = index;
        }
        DeviceIdentity::from_seed(&IdentitySeed::new(bytes))
    }

    fn challenge() -> Challenge {
        Challenge {
            nonce: "e613ec7b-dcee-4999-9f1e-ec2c1523eb2e".to_owned(),
            ts: 1_795_189_837_237,
        }
    }

    fn connect(
        role: Role,
        id: ClientId,
        mode: ClientMode,
        scopes: Scopes,
        auth: Auth,
        (platform, family): (&str, &str),
    ) -> Connect {
        Connect {
            client: ClientInfo {
                id,
                mode,
                version: "0.1.0".to_owned(),
                platform: platform.to_owned(),
                device_family: family.to_owned(),
                display_name: None,
                instance_id: None,
            },
            role,
            scopes,
            caps: vec![],
            commands: vec![],
            auth,
            user_agent: None,
        }
    }
}
