//! What `status --json` promises to programs. More keys may come; none of these goes.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use std::time::Duration;
use test_support::{Answer, Companion, FakeGateway};

const SOON: Duration = Duration::from_secs(20);
const TOP: [&str; 5] = ["version", "pid", "overall", "problems", "gateways"];
const GATEWAY: [&str; 8] = [
    "id",
    "name",
    "url",
    "primary",
    "gatewayVersion",
    "overall",
    "operator",
    "node",
];
const ROLE: [&str; 6] = [
    "state",
    "since",
    "problem",
    "nextAttemptAt",
    "requestId",
    "scopes",
];
const COMMANDS: [&str; 3] = ["declared", "approved", "usable"];
const PROBLEM: [&str; 4] = ["code", "title", "detail", "remedy"];
const STATES: [&str; 6] = [
    "off",
    "connecting",
    "ready",
    "waiting_for_approval",
    "retrying",
    "blocked",
];

#[tokio::test]
async fn status_json_keeps_its_promise() {
    let gateway = FakeGateway::builder()
        .on_request(|method, params| match method {
            "node.describe" => Answer::Payload(
                json!({"nodeId": params["nodeId"], "connected": true, "commands": [],
                "approvalState": "pending-approval", "pendingRequestId": "request-1",
                "pendingDeclaredCommands": ["system.notify", "system.which"]}),
            ),
            _ => Answer::Payload(json!({})),
        })
        .start()
        .await;
    let mut companion = Companion::new();
    companion.start().await;
    let paired = companion.pair(&gateway.setup_code("bootstrap"), &[]).await;
    assert_eq!(paired.code, 0, "{paired:?}");

    let waiting = companion
        .wait_for("waiting for approval", SOON, |status| {
            status["gateways"][0]["node"]["state"] == "waiting_for_approval"
        })
        .await;
    promised(&waiting);
    let view = &waiting["gateways"][0];
    assert_eq!(view["operator"]["problem"], Value::Null);
    assert_eq!(view["operator"]["nextAttemptAt"], Value::Null);
    assert!(view["node"]["problem"].is_object(), "{view}");
    assert_eq!(view["node"]["requestId"], "request-1");

    gateway.stop_listening().await;
    gateway.reset_all();
    let gone = companion
        .wait_for("trying again", SOON, |status| {
            let operator = &status["gateways"][0]["operator"];
            operator["state"] == "retrying" && operator["problem"].is_object()
        })
        .await;
    promised(&gone);
    let operator = &gone["gateways"][0]["operator"];
    assert!(operator["nextAttemptAt"].is_string(), "{operator}");
}

#[tokio::test]
async fn a_problem_of_the_companion_itself_has_the_same_keys() {
    let nowhere = [(
        "DBUS_SESSION_BUS_ADDRESS".to_owned(),
        "unix:path=/nonexistent".to_owned(),
    )];
    let mut companion = Companion::new().with_env(&nowhere);
    companion.start_with(&["--headless"]).await;
    let status = companion
        .wait_for("told of the keyring", SOON, |status| {
            status["problems"][0].is_object()
        })
        .await;
    promised(&status);
}

fn promised(status: &Value) {
    has(status, &TOP);
    assert!(status["version"].is_string() && status["pid"].is_u64());
    for problem in list(&status["problems"]) {
        has(problem, &PROBLEM);
    }
    for gateway in list(&status["gateways"]) {
        has(gateway, &GATEWAY);
        for role in [&gateway["operator"], &gateway["node"]] {
            has(role, &ROLE);
            let state = role["state"].as_str().expect("a state");
            assert!(STATES.contains(&state), "{state} is not promised");
            assert!(role["since"].is_string(), "{role}");
            assert!(list(&role["scopes"]).iter().all(Value::is_string), "{role}");
            if !role["problem"].is_null() {
                has(&role["problem"], &PROBLEM);
            }
        }
        has(&gateway["node"]["commands"], &COMMANDS);
        for key in COMMANDS {
            let commands = list(&gateway["node"]["commands"][key]);
            assert!(commands.iter().all(Value::is_string), "{gateway}");
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn has(value: &Value, keys: &[&str]) {
    let object = value.as_object().expect("an object");
    for key in keys {
        assert!(object.contains_key(*key), "no {key} in {value}");
    }
}
