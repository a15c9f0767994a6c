//! Pairing with the real gateway, and staying paired.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use test_support::{Companion, Ended, RealGateway};

const SOON: Duration = Duration::from_secs(20);
const AFTER_RESTART: Duration = Duration::from_secs(60);
const COMMANDS: [&str; 2] = ["system.notify", "system.which"];

#[tokio::test]
async fn a_code_pairs_both_roles_and_a_restart_needs_no_code() {
    let gateway = RealGateway::start().await;
    let mut companion = Companion::new();
    companion.start().await;
    let code = gateway.setup_code(&[]).await;

    let paired = companion
        .pair(&code, &["--approve-node", "--wait", "30"])
        .await;
    assert_eq!(paired.code, 0, "{paired:?}\n{}", companion.log());
    assert_eq!(paired.json()["nodeSurface"], "approved", "{paired:?}");
    let before = companion.wait_until_ready(SOON).await;
    let device = before["gateways"][0]["deviceId"]
        .as_str()
        .expect("a device id")
        .to_owned();
    assert_eq!(
        before["gateways"][0]["node"]["commands"]["usable"],
        json!(COMMANDS)
    );
    assert_eq!(before["gateways"][0]["gatewayVersion"], "2026.9.6");

    companion.quit().await;
    let asked_before = requests(&gateway).await;
    companion.start().await;
    let after = companion.wait_until_ready(SOON).await;
    assert_eq!(after["gateways"][0]["deviceId"], device.as_str());
    assert_eq!(
        requests(&gateway).await,
        asked_before,
        "a start must not ask for a new pairing"
    );
    assert_eq!(
        sockets(&companion, &gateway, &device).await,
        ONE_OF_EACH_ROLE
    );

    let spent = companion.pair(&code, &[]).await;
    assert_eq!(
        (spent.code, &spent.json()["error"]["code"]),
        (1, &json!("setup_code_used")),
        "{spent:?}"
    );
    assert_eq!(
        companion.wait_until_ready(SOON).await["gateways"][0]["operator"]["since"],
        after["gateways"][0]["operator"]["since"]
    );
    let shown = companion.cli(&["status"]).await;
    let json = companion.cli(&["status", "--json"]).await;
    no_secret_was_told(
        &companion,
        &gateway,
        &code,
        &[&paired, &spent, &shown, &json],
    );
}

#[tokio::test]
async fn agents_reach_the_nodes_commands_through_the_gateway() {
    let gateway = RealGateway::start().await;
    let companion = paired(&gateway).await;
    let status = companion.wait_until_ready(SOON).await;
    let device = status["gateways"][0]["deviceId"]
        .as_str()
        .expect("a device id")
        .to_owned();

    let answer = gateway
        .cli_json(&[
            "nodes",
            "invoke",
            "--node",
            &device,
            "--command",
            "system.which",
            "--params",
            r#"{"bins":["sh","no-such"]}"#,
            "--json",
        ])
        .await;
    let found = answer["payload"]["bins"].as_object().expect("bins");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["sh"], "{answer}");

    let invoke = |command: &str, params: Value, key: &str| json!({"nodeId": device, "command": command, "params": params, "timeoutMs": 10_000, "idempotencyKey": key});
    let refused = gateway
        .try_rpc(
            "node.invoke",
            invoke("system.which", json!({"bins": []}), "k1"),
        )
        .await
        .expect_err("an empty list is refused");
    assert_eq!(
        refused["details"]["nodeError"]["code"], "INVALID_REQUEST",
        "{refused}"
    );
    let headless = gateway
        .try_rpc(
            "node.invoke",
            invoke("system.notify", json!({"title": "Hello"}), "k2"),
        )
        .await
        .expect_err("nobody can see it");
    assert_eq!(
        headless["details"]["nodeError"]["code"], "NOTIFICATIONS_UNAVAILABLE",
        "{headless}"
    );
    let undeclared = gateway
        .try_rpc(
            "node.invoke",
            invoke("system.run", json!({"command": ["true"]}), "k3"),
        )
        .await
        .expect_err("it was never declared");
    assert_eq!(
        undeclared["details"]["reason"], "command not allowlisted",
        "{undeclared}"
    );
}

#[tokio::test]
async fn three_restarts_of_the_gateway_end_in_ready_with_one_socket_each() {
    restarts(3).await;
}

#[tokio::test]
#[ignore = "takes minutes: twenty restarts of a real gateway"]
async fn twenty_restarts_of_the_gateway_end_in_ready_with_one_socket_each() {
    restarts(20).await;
}

/// By turns asked to end and killed.
async fn restarts(rounds: u32) {
    let mut gateway = RealGateway::start().await;
    let companion = paired(&gateway).await;
    let status = companion.wait_until_ready(SOON).await;
    let device = status["gateways"][0]["deviceId"]
        .as_str()
        .expect("a device id")
        .to_owned();
    for round in 0..rounds {
        if round % 2 == 1 {
            gateway.kill().await;
        } else {
            gateway.terminate().await;
        }
        companion
            .wait_for("not ready", SOON, |status| status["overall"] != "ready")
            .await;
        gateway.start_again().await;
        companion.wait_until_ready(AFTER_RESTART).await;
        assert_eq!(
            sockets(&companion, &gateway, &device).await,
            ONE_OF_EACH_ROLE,
            "round {round}"
        );
    }
}

#[tokio::test]
async fn without_the_yes_the_commands_wait_for_the_gateways_owner() {
    let gateway = RealGateway::start().await;
    let mut companion = Companion::new();
    companion.start().await;
    let paired = companion
        .pair(&gateway.mint_setup_code(json!({})).await, &[])
        .await;
    assert_eq!(
        (paired.code, &paired.json()["nodeSurface"]),
        (0, &json!("pending")),
        "{paired:?}"
    );
    let status = companion
        .wait_for("told of it", SOON, |status| {
            status["overall"] == "needs_you"
        })
        .await;
    let node = &status["gateways"][0]["node"];
    assert_eq!(node["state"], "waiting_for_approval");
    let request = node["requestId"].as_str().expect("a request id");
    gateway
        .rpc("node.pair.approve", json!({"requestId": request}))
        .await;
    companion.wait_until_ready(SOON).await;
}

#[tokio::test]
async fn the_shared_token_connects_both_roles() {
    let gateway = RealGateway::start().await;
    let mut companion = Companion::new();
    companion.start().await;
    let url = format!("http://127.0.0.1:{}", gateway.port());
    let wrong = companion
        .cli_with_input(
            &["connect", "--url", &url, "--token-stdin", "--json"],
            "wrong-token\n",
        )
        .await;
    assert_eq!(
        (wrong.code, &wrong.json()["error"]["code"]),
        (1, &json!("shared_token_rejected")),
        "{wrong:?}"
    );
    let connected = companion
        .cli_with_input(
            &[
                "connect",
                "--url",
                &url,
                "--token-stdin",
                "--approve-node",
                "--wait",
                "30",
                "--json",
            ],
            gateway.shared_token(),
        )
        .await;
    assert_eq!(connected.code, 0, "{connected:?}\n{}", companion.log());
    companion.wait_until_ready(SOON).await;
    assert!(!companion.log().contains(gateway.shared_token()));
}

#[tokio::test]
async fn limited_and_node_codes_give_what_they_are_for() {
    let gateway = RealGateway::start().await;
    let mut companion = Companion::new();
    companion.start().await;
    let node_code = gateway
        .mint_setup_code(json!({"bootstrapProfile": "node"}))
        .await;
    let paired = companion.pair(&node_code, &[]).await;
    assert_eq!(paired.code, 0, "{paired:?}\n{}", companion.log());
    let status = companion.wait_until_ready(SOON).await;
    let view = &status["gateways"][0];
    assert_eq!(
        (&view["operator"]["state"], &view["node"]["state"]),
        (&json!("off"), &json!("ready"))
    );
    assert_eq!(view["problems"][0]["code"], "operator_not_in_code");

    let limited = gateway
        .mint_setup_code(json!({"bootstrapProfile": "limited"}))
        .await;
    let paired = companion.pair(&limited, &[]).await;
    assert_eq!(paired.code, 0, "{paired:?}\n{}", companion.log());
    let status = companion.wait_until_ready(SOON).await;
    assert_eq!(status["gateways"].as_array().map(Vec::len), Some(1));
    let scopes = &status["gateways"][0]["operator"]["scopes"];
    assert_eq!(
        *scopes,
        json!([
            "operator.approvals",
            "operator.questions",
            "operator.read",
            "operator.write"
        ])
    );
}

#[tokio::test]
async fn bad_codes_leave_a_pairing_untouched() {
    let gateway = RealGateway::start().await;
    let companion = paired(&gateway).await;
    let before = companion.wait_until_ready(SOON).await;
    let spent = gateway.mint_setup_code(json!({})).await;
    let mut other = Companion::new();
    other.start().await;
    assert_eq!(other.pair(&spent, &[]).await.code, 0);
    for (code, exit, problem) in [
        ("garbage!", 1, "setup_code_invalid"),
        (&spent[..40], 1, "setup_code_invalid"),
        (spent.as_str(), 1, "setup_code_refused"),
    ] {
        let refused = companion.pair(code, &[]).await;
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (exit, &json!(problem)),
            "{refused:?}"
        );
    }
    let after = companion
        .wait_for("ready as before", SOON, |status| {
            let view = &status["gateways"][0];
            let stands = |role: &str| view[role]["state"] == "ready";
            stands("operator") && stands("node") && status["overall"] == "ready"
        })
        .await;
    assert_eq!(
        after["gateways"][0]["deviceId"],
        before["gateways"][0]["deviceId"]
    );
    assert_eq!(
        after["gateways"][0]["node"]["commands"]["usable"],
        json!(COMMANDS)
    );
}

#[tokio::test]
async fn from_elsewhere_a_person_approves_and_all_goes_on_by_itself() {
    let gateway = RealGateway::builder().behind_proxy(true).start().await;
    let proxy = gateway.proxy("192.168.1.77").await;
    let code = gateway
        .mint_setup_code(json!({"publicUrl": proxy.url()}))
        .await;
    let mut companion = Companion::new();
    companion.start().await;
    // the address is loopback, so the node asks first here; a person approves it, then the operator's upgrade
    let waiting = companion.pair(&code, &["--approve-node"]).await;
    assert_eq!(waiting.code, 4, "{waiting:?}");
    for _ in 0..2 {
        let status = companion
            .wait_for("waiting for approval", SOON, |status| {
                request_id(status).is_some()
            })
            .await;
        let request = request_id(&status).expect("a request id");
        gateway
            .rpc("device.pair.approve", json!({"requestId": request}))
            .await;
        companion
            .wait_for("going on by itself", SOON, |status| {
                request_id(status).as_deref() != Some(&request)
            })
            .await;
    }
    companion.wait_until_ready(SOON).await;
}

fn request_id(status: &Value) -> Option<String> {
    let view = &status["gateways"][0];
    let waiting = [&view["operator"], &view["node"]]
        .into_iter()
        .find(|role| {
            role["state"] == "waiting_for_approval" && role["problem"]["code"] == "approval_needed"
        })?;
    waiting["requestId"].as_str().map(str::to_owned)
}

async fn paired(gateway: &RealGateway) -> Companion {
    let mut companion = Companion::new();
    companion.start().await;
    let code = gateway.mint_setup_code(json!({})).await;
    let paired = companion
        .pair(&code, &["--approve-node", "--wait", "30"])
        .await;
    assert_eq!(paired.code, 0, "{paired:?}\n{}", companion.log());
    companion
}

/// Ids of every device and node request that waits at the gateway, without those of our own device's stray upgrade.
async fn requests(gateway: &RealGateway) -> Vec<String> {
    let mut ids = vec![];
    for method in ["device.pair.list", "node.pair.list"] {
        let list = gateway.rpc(method, json!({})).await;
        ids.extend(
            list["pending"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|request| request["requestId"].to_string()),
        );
    }
    ids.sort();
    ids
}

/// Rows of the operator, rows of the node, open sockets.
const ONE_OF_EACH_ROLE: (usize, usize, usize) = (1, 1, 2);

/// Rows of this device in the gateway's presence, in each role, and open sockets to the gateway. The gateway shows all
/// node sockets of a device as one row.
async fn sockets(
    companion: &Companion,
    gateway: &RealGateway,
    device: &str,
) -> (usize, usize, usize) {
    let presence = gateway.rpc("system-presence", json!({})).await;
    let rows = presence
        .as_array()
        .or_else(|| presence["presence"].as_array())
        .cloned()
        .unwrap_or_default();
    let count = |role: &str| {
        rows.iter()
            .filter(|row| row["deviceId"] == device && row["reason"] != "disconnect")
            .filter(|row| {
                row["roles"]
                    .as_array()
                    .is_some_and(|roles| roles.iter().any(|known| known == role))
            })
            .count()
    };
    (
        count("operator"),
        count("node"),
        companion.connections_to(gateway.port()),
    )
}

/// Everything stays secret that is one: in the logs at their most talkative, and in what commands print.
fn no_secret_was_told(companion: &Companion, gateway: &RealGateway, code: &str, ended: &[&Ended]) {
    let file = |name| std::fs::read_to_string(companion.home().join(name)).expect(name);
    let vault: Value = serde_json::from_str(&file("vault.json")).expect("JSON");
    let entries = vault["entries"].as_object().expect("entries");
    let mut secrets = BTreeMap::new();
    for (name, entry) in entries {
        let kind = name.rsplit('/').next().expect("a kind");
        let text = entry.as_str().expect("text");
        let secret = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(entry)) => entry["token"].as_str().expect("a token").to_owned(),
            _ => text.to_owned(),
        };
        secrets.insert(kind, secret);
    }
    assert_eq!(
        secrets.keys().collect::<Vec<_>>(),
        ["device-token-node", "device-token-operator", "identity"].each_ref()
    );
    let inside = URL_SAFE_NO_PAD.decode(code).expect("base64url");
    let inside: Value = serde_json::from_slice(&inside).expect("JSON");
    let bootstrap = inside["bootstrapToken"].as_str().expect("a token");
    secrets.extend([
        ("control-token", file("control-token").trim().to_owned()),
        ("setup-code", code.to_owned()),
        ("bootstrap-token", bootstrap.to_owned()),
        ("shared-token", gateway.shared_token().to_owned()),
    ]);

    let log = companion.log();
    assert!(log.contains("connected"), "the log is on");
    let printed = ended
        .iter()
        .flat_map(|ended| [&ended.stdout, &ended.stderr]);
    for told in printed.chain([&log]) {
        for (kind, secret) in &secrets {
            assert!(secret.len() >= 16, "{kind} is too short to look for");
            assert!(!told.contains(secret), "the {kind} was told");
        }
    }
}
