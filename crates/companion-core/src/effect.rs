//! What the core asks for. Each effect answers as an input where its result matters.

use crate::{
    command::Done,
    ids::{CommandId, GatewayId, Socket},
    invokes::InvokeId,
    problem::Problem,
    record::Registry,
};
use gateway_protocol::{
    BootstrapToken, DeviceId, Endpoint, Fingerprint, IssuedToken, Role, Scopes, SharedToken,
    SignatureVersion, node::InvokeRequest,
};

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Dial, shake hands; ends in `Opened` or `OpenFailed`.
    OpenSocket(Dial),
    /// Close it; nothing of it is wanted any more.
    CloseSocket(Socket),
    /// Send a request; ends in `Answered`.
    Ask(Socket, Query),
    /// Try to use the secret store; ends in `VaultOpened` or `VaultFailed`.
    OpenVault,
    /// Store the secret, make the device's key if there is none, then store the registry; ends in `GatewaySaved` or
    /// `GatewayNotSaved`.
    SaveGateway {
        /// The gateway that it is about.
        gateway: GatewayId,
        /// All records.
        registry: Registry,
        /// What came with it.
        secret: NewSecret,
    },
    /// Store the registry; ends in `RegistrySaved` or `RegistryNotSaved`.
    SaveRegistry(Registry),
    /// Store the tokens of a hello and read them back; ends in `TokensSaved` or `TokensNotSaved`.
    SaveDeviceTokens(Socket, Vec<IssuedToken>),
    /// Drop one stored secret.
    ForgetSecret(GatewayId, Credential),
    /// Drop everything stored for a gateway and store the registry without it; ends as `SaveRegistry` does.
    DeleteGateway(GatewayId, Registry),
    /// Run a node command; ends in `CommandRan` unless it is cancelled.
    RunCommand(InvokeId, InvokeRequest),
    /// Nobody waits for it any more.
    CancelCommand(InvokeId),
    /// Tell the gateway how an invoke ended.
    AnswerInvoke(Socket, InvokeAnswer),
    /// Call back at this monotonic time; a timer of the same name is replaced.
    SetTimer(Timer, u64),
    /// Show a notification.
    Notify(Notification),
    /// Answer a command.
    Answer(CommandId, Result<Done, Problem>),
    /// Make a setup code at the companion's own gateway; ends in `LocalGateway(SetupCode | NoSetupCode)`.
    MintSetupCode,
    /// Start the window or bring it to the front.
    OpenWindow,
    /// End the process once open sockets are closed.
    Exit,
}

/// Everything that a dial needs but the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Names the new socket.
    pub socket: Socket,
    /// Where to.
    pub endpoint: Endpoint,
    /// The certificate to expect.
    pub pin: Option<Fingerprint>,
    /// Which stored secret to send.
    pub credential: Credential,
    /// What to ask for.
    pub scopes: Scopes,
    /// What the node offers, final for this connection; empty for an operator.
    pub commands: Vec<String>,
    /// How to sign.
    pub signature: SignatureVersion,
}

/// Names a stored secret of a gateway without holding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// From an unfinished setup code.
    Bootstrap,
    /// Issued to this device in this role.
    Device(Role),
    /// The gateway's own.
    Shared,
}

/// A secret that arrived from a person.
#[derive(Debug, Clone)]
pub enum NewSecret {
    /// In a setup code.
    Bootstrap(BootstrapToken),
    /// Typed.
    Shared(SharedToken),
}

/// The requests that the core sends over an operator connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// How does the gateway see our node?
    DescribeNode(DeviceId),
    /// Approve our node's commands, by the id of the request.
    ApproveNode(String),
    /// Approve our own device in another role, by the id of the request.
    ApproveDevice(String),
}

impl Query {
    /// The wire's method.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::DescribeNode(_) => "node.describe",
            Self::ApproveNode(_) => "node.pair.approve",
            Self::ApproveDevice(_) => "device.pair.approve",
        }
    }

    /// The parameters: a closed object.
    pub fn params(&self) -> serde_json::Value {
        match self {
            Self::DescribeNode(node) => serde_json::json!({ "nodeId": node }),
            Self::ApproveNode(request) | Self::ApproveDevice(request) => {
                serde_json::json!({ "requestId": request })
            }
        }
    }
}

/// How an invoke ended, for the gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct InvokeAnswer {
    /// The invoke's id on the wire.
    pub id: String,
    /// Our own id there.
    pub node: DeviceId,
    /// The result, or code and message.
    pub result: Result<serde_json::Value, (String, String)>,
}

/// Names of timers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Dial again. Carries the generation of the attempt that failed.
    Redial(Socket),
    /// Store tokens again.
    SaveTokens(Socket),
    /// Ask again how the gateway sees our node.
    Describe(GatewayId),
    /// Try the secret store again.
    OpenVault,
    /// Store the registry again.
    SaveRegistry,
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The same key replaces an older one.
    pub key: String,
    /// A few words.
    pub title: String,
    /// A sentence or two.
    pub body: String,
}
