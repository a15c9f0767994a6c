//! A scripted gateway that treats the node's commands as the real one does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use test_support::{Answer, FakeGateway};

/// What the companion's node offers.
pub const COMMANDS: [&str; 2] = ["system.notify", "system.which"];

/// A gateway whose node surface waits until somebody approves it.
pub async fn gateway() -> FakeGateway {
    let approved = Arc::new(AtomicBool::new(false));
    FakeGateway::builder()
        .on_request(move |method, params| match method {
            "node.describe" if approved.load(Ordering::Relaxed) => {
                Answer::Payload(json!({"nodeId": params["nodeId"], "connected": true,
                    "approvalState": "approved", "commands": COMMANDS}))
            }
            "node.describe" => {
                Answer::Payload(json!({"nodeId": params["nodeId"], "connected": true,
                "approvalState": "pending-approval", "commands": [],
                "pendingRequestId": "request-1", "pendingDeclaredCommands": COMMANDS}))
            }
            "node.pair.approve" if params["requestId"] == "request-1" => {
                approved.store(true, Ordering::Relaxed);
                Answer::Payload(json!({"requestId": "request-1"}))
            }
            "node.pair.approve" => {
                Answer::Error(json!({"code": "INVALID_REQUEST", "message": "unknown requestId"}))
            }
            _ => Answer::Payload(json!({})),
        })
        .start()
        .await
}
