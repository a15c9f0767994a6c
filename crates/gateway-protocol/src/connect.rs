//! The first request on a socket: who we are, in which role, with which credential.

use crate::{
    PROTOCOL_VERSION,
    identity::{DeviceIdentity, SignatureVersion},
    scope::Scopes,
    secret::{BootstrapToken, DeviceToken, SharedToken},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Chat, status, approvals.
    Operator,
    /// Offers this computer's commands.
    Node,
}

impl Role {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Operator, Self::Node];

    /// The wire's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The client ids of the gateway's closed list that this product uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ClientId {
    /// An operator on Linux.
    #[serde(rename = "openclaw-linux")]
    OpenclawLinux,
    /// An operator on macOS.
    #[serde(rename = "openclaw-macos")]
    OpenclawMacos,
    /// An operator on Windows, for which the list has no id of its own.
    #[serde(rename = "gateway-client")]
    GatewayClient,
    /// A node on every system.
    #[serde(rename = "node-host")]
    NodeHost,
}

impl ClientId {
    /// The wire's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenclawLinux => "openclaw-linux",
            Self::OpenclawMacos => "openclaw-macos",
            Self::GatewayClient => "gateway-client",
            Self::NodeHost => "node-host",
        }
    }
}

/// The client modes of the gateway's closed list that this product uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientMode {
    /// An operator with a person in front of it.
    Ui,
    /// A node.
    Node,
}

impl ClientMode {
    /// The wire's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ui => "ui",
            Self::Node => "node",
        }
    }
}

/// Who connects. `platform` and `device_family` are pinned by the gateway: fixed words, equal for both roles of a
/// device, never an OS version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// One of the gateway's closed list.
    pub id: ClientId,
    /// One of the gateway's closed list.
    pub mode: ClientMode,
    /// This program's version.
    pub version: String,
    /// `linux`, `windows` or `macos`.
    pub platform: String,
    /// `Linux`, `Windows` or `Mac`.
    pub device_family: String,
    /// Unique per installation: equal names prune each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Constant for an installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// The gateway's first frame: what our signature must cover.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Challenge {
    /// Used once, never empty.
    pub nonce: String,
    /// The gateway's clock in milliseconds; signed instead of our own.
    pub ts: u64,
}

/// The one credential of a `connect`.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// None at all.
    #[default]
    None,
    /// From a setup code.
    Bootstrap(BootstrapToken),
    /// Issued to this device for this role.
    Device(DeviceToken),
    /// The gateway's own secret.
    Shared(SharedToken),
}

impl Auth {
    pub(crate) fn signed_token(&self) -> &str {
        match self {
            Self::None => "",
            Self::Bootstrap(token) => token.expose(),
            Self::Device(token) => token.expose(),
            Self::Shared(token) => token.expose(),
        }
    }

    fn wire(&self) -> Option<WireAuth<'_>> {
        let mut auth = WireAuth::default();
        match self {
            Self::None => return None,
            Self::Bootstrap(token) => auth.bootstrap_token = Some(token.expose()),
            Self::Device(token) => auth.device_token = Some(token.expose()),
            Self::Shared(token) => auth.token = Some(token.expose()),
        }
        Some(auth)
    }
}

/// Everything that a `connect` says, before it is signed for one challenge.
#[derive(Debug, Clone)]
pub struct Connect {
    /// Who connects.
    pub client: ClientInfo,
    /// In which role.
    pub role: Role,
    /// What an operator asks for; a node asks for nothing.
    pub scopes: Scopes,
    /// Operator: feature flags. Node: categories of commands.
    pub caps: Vec<String>,
    /// Node: the commands it offers, final for this connection.
    pub commands: Vec<String>,
    /// With which credential.
    pub auth: Auth,
    /// Program and version, free text.
    pub user_agent: Option<String>,
}

impl Connect {
    /// The parameters of the `connect` request, signed by this device for this challenge.
    pub fn signed<'a>(
        &'a self,
        identity: &'a DeviceIdentity,
        challenge: &'a Challenge,
        version: SignatureVersion,
    ) -> SignedConnect<'a> {
        SignedConnect {
            min_protocol: PROTOCOL_VERSION,
            max_protocol: PROTOCOL_VERSION,
            client: &self.client,
            role: self.role,
            scopes: &self.scopes,
            caps: &self.caps,
            commands: &self.commands,
            auth: self.auth.wire(),
            user_agent: self.user_agent.as_deref(),
            device: WireDevice {
                id: identity.id().as_str(),
                public_key: identity.public_key(),
                signature: identity.sign(self, challenge, version),
                signed_at: challenge.ts,
                nonce: &challenge.nonce,
            },
        }
    }
}

/// The parameters of `connect` as the wire wants them: a closed object that holds a secret, so it has no `Debug`.
#[expect(
    missing_debug_implementations,
    reason = "it holds the credential in the clear"
)]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedConnect<'a> {
    min_protocol: u32,
    max_protocol: u32,
    client: &'a ClientInfo,
    role: Role,
    scopes: &'a Scopes,
    caps: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    commands: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<WireAuth<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    device: WireDevice<'a>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct WireAuth<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireDevice<'a> {
    id: &'a str,
    public_key: &'a str,
    signature: String,
    signed_at: u64,
    nonce: &'a str,
}
