//! Everything that may be seen: one immutable value for tray, window, CLI and MCP. Also what `status --json` prints,
//! so fields may be added, never renamed or removed.

use crate::{ids::GatewayId, problem::Problem, time::Timestamp};
use gateway_protocol::Scopes;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The whole visible state of the companion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Snapshot {
    /// Rises with every change; a viewer ignores lower ones.
    #[ts(type = "number")]
    pub revision: u64,
    /// The companion's version.
    pub version: String,
    /// The companion's process id.
    pub pid: u32,
    /// The state of everything in one word.
    pub overall: Overall,
    /// What is wrong beyond a single gateway.
    pub problems: Vec<Problem>,
    /// Where secrets are kept.
    pub secret_store: SecretStoreView,
    /// The gateway that the companion runs itself, while it has one.
    pub local_gateway: Option<LocalGatewayView>,
    /// Every gateway, the primary one first.
    pub gateways: Vec<GatewayView>,
}

/// One word for everything, or for one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Overall {
    /// The person paused the node.
    Paused,
    /// A person has to do something.
    NeedsYou,
    /// Something fails and is tried again.
    Trouble,
    /// On the way.
    Connecting,
    /// All wanted connections stand.
    Ready,
    /// Disconnected by the person.
    Offline,
    /// Nothing is paired yet.
    NoGateways,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct GatewayView {
    /// Its id here.
    pub id: GatewayId,
    /// What people call it.
    pub name: String,
    /// Its address.
    pub url: String,
    /// The default target of commands.
    pub primary: bool,
    /// Does the companion run it itself?
    pub local: bool,
    /// Its version, once it was reached.
    pub gateway_version: Option<String>,
    /// Our device id there, once there is one.
    pub device_id: Option<String>,
    /// Its state in one word.
    pub overall: Overall,
    /// What is wrong with it beyond a single role.
    pub problems: Vec<Problem>,
    /// The control connection.
    pub operator: RoleView,
    /// The connection that offers commands.
    pub node: NodeView,
}

/// The connection in one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RoleView {
    /// Where it stands.
    pub state: RoleState,
    /// Since when.
    pub since: Timestamp,
    /// Why it is not ready, if a reason is worth telling.
    pub problem: Option<Problem>,
    /// When it is tried again by itself.
    pub next_attempt_at: Option<Timestamp>,
    /// The pairing request that waits at the gateway.
    pub request_id: Option<String>,
    /// What the gateway granted.
    #[ts(type = "string[]")]
    pub scopes: Scopes,
}

/// The node connection: like an operator's, with commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct NodeView {
    /// As for any role.
    #[serde(flatten)]
    #[ts(flatten)]
    pub role: RoleView,
    /// What this computer offers there.
    pub commands: CommandsView,
}

/// Declared, approved and usable are different things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CommandsView {
    /// Offered by this computer.
    pub declared: Vec<String>,
    /// Approved at the gateway, as read over the operator connection.
    pub approved: Vec<String>,
    /// Approved, offered and connected: works now.
    pub usable: Vec<String>,
    /// Has the gateway's list been read since the node connected?
    pub confirmed: bool,
}

/// Where the connection in one role stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RoleState {
    /// Not wanted.
    Off,
    /// On the way.
    Connecting,
    /// Works.
    Ready,
    /// A person has to approve at the gateway.
    WaitingForApproval,
    /// Failed and tried again at `next_attempt_at`.
    Retrying,
    /// Stopped until a person does something.
    Blocked,
}

/// Where secrets are kept and how that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SecretStoreView {
    /// Which store.
    pub kind: SecretStoreKind,
    /// Can it be used now?
    pub usable: bool,
}

/// The stores that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SecretStoreKind {
    /// The keyring of the system.
    Keyring,
    /// A file that only its owner can read; plain text.
    File,
    /// Nothing outlives the process.
    Memory,
}

/// The gateway that the companion runs itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct LocalGatewayView {
    /// Where it stands.
    pub state: LocalGatewayState,
    /// In plain words, such as how far an installation is.
    pub detail: String,
}

/// Where the companion's own gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum LocalGatewayState {
    /// Being installed or started.
    Initializing,
    /// Answers.
    Ready,
    /// Ended; started again by itself.
    Restarting,
    /// Could not be started.
    Failed,
}
