//! What is said about nodes: their row, invokes and their results, pairing events.

use crate::identity::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A node's row as `node.describe` answers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeRow {
    /// Commands that may be invoked now.
    pub commands: Vec<String>,
    /// How far the node's surface is approved.
    pub approval_state: ApprovalState,
    /// The request that waits, if one does.
    pub pending_request_id: Option<String>,
    /// The commands that the waiting request is about.
    pub pending_declared_commands: Vec<String>,
    /// Is a socket of it open?
    pub connected: bool,
}

/// How far a node's commands are approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalState {
    /// Never approved.
    PendingApproval,
    /// Approved, and it now asks for more.
    PendingReapproval,
    /// Approved as declared.
    Approved,
    /// A state that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A request to run a command of this node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeRequest {
    /// The invoke's id; our answer names it.
    pub id: String,
    /// The node that is asked.
    pub node_id: DeviceId,
    /// Such as `system.which`.
    pub command: String,
    /// The parameters as JSON text, if there are any.
    #[serde(rename = "paramsJSON", default)]
    pub params_json: Option<String>,
    /// Milliseconds left.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// May be missing. The gateway does not deduplicate.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// An invoke that nobody waits for any more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeCancel {
    /// The invoke's id.
    pub invoke_id: String,
}

/// The one answer to an invoke: the parameters of `node.invoke.result`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeResult<'a> {
    id: &'a str,
    node_id: &'a DeviceId,
    ok: bool,
    #[serde(rename = "payloadJSON", skip_serializing_if = "Option::is_none")]
    payload_json: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<InvokeError<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct InvokeError<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> InvokeResult<'a> {
    /// The command ran; `payload` is its result.
    pub fn done(id: &'a str, node_id: &'a DeviceId, payload: &serde_json::Value) -> Self {
        Self {
            id,
            node_id,
            ok: true,
            payload_json: Some(payload.to_string()),
            error: None,
        }
    }

    /// The command was refused or failed. `code` is in capitals, such as `INVALID_REQUEST`.
    pub fn failed(id: &'a str, node_id: &'a DeviceId, code: &'a str, message: &'a str) -> Self {
        Self {
            id,
            node_id,
            ok: false,
            payload_json: None,
            error: Some(InvokeError { code, message }),
        }
    }
}

/// `node.pair.resolved` and `node.pair.requested`: whose surface it is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePairEvent {
    /// The node.
    pub node_id: DeviceId,
}

/// Reads an answer's payload as `T`.
///
/// # Errors
/// When it has another shape.
pub fn parse_payload<'a, T: Deserialize<'a>>(
    payload: &'a RawValue,
) -> Result<T, serde_json::Error> {
    serde_json::from_str(payload.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_says_payload_or_error_never_both() {
        let node = DeviceId::new("d");
        let done = InvokeResult::done("i", &node, &serde_json::json!({"a": 1}));
        assert_eq!(
            serde_json::to_string(&done).expect("serialises"),
            r#"{"id":"i","nodeId":"d","ok":true,"payloadJSON":"{\"a\":1}"}"#
        );
        let failed = InvokeResult::failed("i", &node, "PAUSED", "paused");
        assert_eq!(
            serde_json::to_string(&failed).expect("serialises"),
            r#"{"id":"i","nodeId":"d","ok":false,"error":{"code":"PAUSED","message":"paused"}}"#
        );
    }

    #[test]
    fn a_row_of_the_future_still_reads() {
        let row: NodeRow = serde_json::from_str(
            r#"{"approvalState":"delegated","commands":["a"],"connected":true,"x":1}"#,
        )
        .expect("parses");
        assert_eq!(
            (row.approval_state, row.commands.len()),
            (ApprovalState::Unknown, 1)
        );
    }
}
