//! What the core is told.

use crate::{
    command::{Command, SetupText},
    effect::{Query, Timer},
    ids::{CommandId, GatewayId, Socket},
    invokes::InvokeId,
};
use gateway_protocol::{DeviceId, Event, Fingerprint, GatewayError, IssuedToken, Scopes};
use serde_json::value::RawValue;

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// A front door handed in a wish; it is answered by [`crate::Effect::Answer`].
    Command(CommandId, Command),
    /// The secret store answers; what it holds for each gateway.
    VaultOpened(Vec<(GatewayId, StoredCredentials)>),
    /// The secret store cannot be used.
    VaultFailed(VaultTrouble),
    /// A stored file could not be read and was kept aside.
    StateUnreadable(String),
    /// The registry, the device's key and the new secret are stored and were read back.
    GatewaySaved(GatewayId, DeviceId),
    /// One of them could not be stored.
    GatewayNotSaved(GatewayId, VaultTrouble),
    /// The registry is stored.
    RegistrySaved,
    /// The registry could not be written.
    RegistryNotSaved,
    /// The hello's tokens are stored and were read back.
    TokensSaved(Socket),
    /// They are only in memory.
    TokensNotSaved(Socket, VaultTrouble),
    /// A dial ended in hello.
    Opened(Socket, Welcome),
    /// A dial ended without.
    OpenFailed(Socket, OpenFailure),
    /// The gateway told something.
    Event(Socket, Event),
    /// An open socket ended.
    Closed(Socket, Ended),
    /// The answer to an [`crate::Effect::Ask`].
    Answered(Socket, Query, Result<Box<RawValue>, QueryFailure>),
    /// A node command ended.
    CommandRan(InvokeId, Result<serde_json::Value, CommandFailure>),
    /// A timer that was set is due.
    TimerFired(Timer),
    /// News of the gateway that the companion runs itself.
    LocalGateway(LocalGatewayReport),
}

/// What a hello gave.
#[derive(Debug)]
pub struct Welcome {
    /// The gateway's version.
    pub version: String,
    /// What this connection may do.
    pub scopes: Scopes,
    /// Every token of the hello.
    pub tokens: Vec<IssuedToken>,
}

/// What the secret store holds for one gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredCredentials {
    /// Scopes granted with the operator's device token, if it is there.
    pub operator: Option<Scopes>,
    /// Is the node's device token there?
    pub node: bool,
    /// Is the gateway's shared token there?
    pub shared: bool,
    /// Is a bootstrap token there?
    pub bootstrap: bool,
    /// Our device there, if its key is.
    pub device: Option<DeviceId>,
}

/// Why the secret store cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultTrouble {
    /// Nothing answers.
    Unavailable,
    /// It waits to be unlocked.
    Locked,
    /// It answers, but the write or the read-back failed.
    Failed,
}

/// Why a dial did not end in hello.
#[derive(Debug)]
pub enum OpenFailure {
    /// Nothing answers, or the network is down.
    Unreachable,
    /// The other side answers, but not in time.
    TimedOut,
    /// The connection ended in the middle of the handshake.
    Interrupted,
    /// HTTP, but no WebSocket of a gateway.
    NotAGateway(Option<u16>),
    /// HTTP says to come back later, in milliseconds if it says when.
    Later(Option<u64>),
    /// TLS failed.
    Tls,
    /// The certificate is not the pinned one.
    WrongCertificate {
        /// The pin.
        expected: Fingerprint,
        /// What was shown.
        found: Fingerprint,
    },
    /// The name leads out of the private network and TLS is off.
    PlainText,
    /// The other side broke the protocol.
    Protocol,
    /// The chosen credential is gone from the secret store.
    CredentialGone,
    /// The gateway's own refusal.
    Refused(Box<GatewayError>),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The close code, if there was one.
    pub code: Option<u16>,
    /// Milliseconds that the connection lived after hello.
    pub lived_ms: u64,
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum QueryFailure {
    /// The gateway refused it.
    Refused(Box<GatewayError>),
    /// The connection ended, or the answer did not come in time.
    Lost,
}

/// Why a node command has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFailure {
    /// In capitals, such as `INVALID_REQUEST`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// News of the gateway that the companion runs itself.
#[derive(Debug)]
pub enum LocalGatewayReport {
    /// Being installed or started; how far, in plain words.
    Working(String),
    /// It answers.
    Ready,
    /// It ended and is started again.
    Restarting,
    /// The setup code that was asked for.
    SetupCode(SetupText),
    /// It could not make one.
    NoSetupCode,
    /// It could not be started and is tried again; a sentence.
    Failed(String),
}
