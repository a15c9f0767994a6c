//! What the endpoint says, in both eras of the protocol.

use crate::fixture::{Draft, Fixture, log, snapshot};
use companion_core::{Access, Command, snapshot::Overall};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

impl Fixture {
    fn modern(&self, method: &str, name: Option<&str>, mut params: Value) -> Draft {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let draft = self
            .post(&body.to_string())
            .add("MCP-Protocol-Version", "2026-07-28")
            .add("Mcp-Method", method);
        match name {
            Some(name) => draft.add("Mcp-Name", name),
            None => draft,
        }
    }

    fn legacy(&self, body: &Value) -> Draft {
        self.post(&body.to_string())
            .add("MCP-Protocol-Version", "2025-11-25")
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let reply = self
            .send(self.modern("tools/call", Some(tool), params))
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["result"].clone()
    }
}

#[tokio::test]
async fn both_eras_list_the_same_tools_without_a_session() {
    let fixture = Fixture::new().await;
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    } });
    let welcome = fixture.send(fixture.post(&hello.to_string())).await;
    assert_eq!(welcome.status, 200);
    assert_eq!(welcome.json()["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(
        welcome.json()["result"]["serverInfo"]["name"],
        "claw-companion"
    );
    assert!(!welcome.head.contains("mcp-session-id"));
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let accepted = fixture.send(fixture.legacy(&initialized)).await;
    assert_eq!((accepted.status, accepted.body.as_str()), (202, ""));

    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let legacy = fixture.send(fixture.legacy(&list)).await.json();
    let modern = fixture
        .send(fixture.modern("tools/list", None, json!({})))
        .await;
    let modern = modern.json();
    assert_eq!(legacy["result"]["tools"], modern["result"]["tools"]);
    assert_eq!(modern["result"]["resultType"], "complete");
    let names: Vec<_> = modern["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "status",
            "gateways",
            "pair",
            "connect",
            "forget",
            "reconnect",
            "open_window",
            "quit"
        ]
    );
    let discovered = fixture
        .send(fixture.modern("server/discover", None, json!({})))
        .await;
    assert!(discovered.body.contains("2026-07-28") && discovered.body.contains("2025-03-26"));
}

#[tokio::test]
async fn the_new_era_refuses_headers_that_do_not_fit_and_unknown_methods() {
    let fixture = Fixture::new().await;
    let list = || fixture.modern("tools/list", None, json!({}));
    let other = fixture.send(list().set("Mcp-Method", "tools/call")).await;
    assert_eq!(
        (other.status, &other.json()["error"]["code"]),
        (400, &json!(-32020))
    );
    let unknown = fixture
        .send(fixture.modern("no/such", None, json!({})))
        .await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (404, &json!(-32601))
    );
    let session = fixture.send(list().add("Mcp-Session-Id", "any")).await;
    assert_eq!(session.status, 200);
}

#[tokio::test]
async fn status_is_the_snapshot() {
    let fixture = Fixture::new().await;
    let result = fixture.call("status", json!({})).await;
    let shown = serde_json::to_value(snapshot(1, Overall::NoGateways)).unwrap();
    assert_eq!(result["structuredContent"], shown);
    let gateways = fixture.call("gateways", json!({})).await;
    assert_eq!(gateways["structuredContent"], json!({ "gateways": [] }));
}

#[tokio::test]
async fn status_returns_when_something_changed() {
    let fixture = Fixture::new().await;
    let known = json!({ "afterRevision": 0, "waitSeconds": 50 });
    let at_once = fixture.call("status", known).await;
    assert_eq!(at_once["structuredContent"]["revision"], 1);

    let began = Instant::now();
    let wait = json!({ "afterRevision": 1, "waitSeconds": 50 });
    let call = fixture.call("status", wait);
    let change = async {
        tokio::task::yield_now().await;
        let changed = Arc::new(snapshot(2, Overall::Connecting));
        fixture.publish.send(changed).unwrap();
    };
    let (result, ()) = tokio::join!(call, change);
    assert_eq!(result["structuredContent"]["overall"], "connecting");
    assert!(began.elapsed() < Duration::from_secs(20));

    let unchanged = json!({ "afterRevision": 2, "waitSeconds": 0 });
    let same = fixture.call("status", unchanged).await;
    assert_eq!(same["structuredContent"]["revision"], 2);
    let long = json!({ "afterRevision": 2, "waitSeconds": 51 });
    let refused = fixture.call("status", long).await;
    assert_eq!(refused["isError"], true);
}

#[tokio::test]
async fn closing_ends_a_wait() {
    let fixture = Fixture::new().await;
    let params =
        json!({ "name": "status", "arguments": { "afterRevision": 1, "waitSeconds": 50 } });
    let draft = fixture.modern("tools/call", Some("status"), params);
    let Fixture {
        endpoint,
        authority,
        dir,
        ..
    } = fixture;
    let mut stream = tokio::net::TcpStream::connect(&authority).await.unwrap();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(&draft.bytes()).await.unwrap();
    // a second connection is answered only after the first was accepted
    let mut probe = tokio::net::TcpStream::connect(&authority).await.unwrap();
    let health = format!("GET /healthz HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    probe.write_all(health.as_bytes()).await.unwrap();
    probe.read_u8().await.unwrap();
    let began = Instant::now();
    endpoint.shutdown().await;
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!dir.path().join("control.json").exists());
}

#[tokio::test]
async fn pairing_passes_through_and_its_code_stays_out_of_every_log() {
    let fixture = Fixture::new().await;
    let arguments = json!({ "code": "CANARY-CODE", "access": "limited", "approveNode": true });
    let result = fixture.call("pair", arguments).await;
    assert_eq!(
        result["structuredContent"],
        json!({ "type": "accepted", "gateway": "gw-1" })
    );
    let legacy = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "connect", "arguments": { "url": "ws://127.0.0.1:1", "token": "CANARY-TOKEN" },
    } });
    assert_eq!(fixture.send(fixture.legacy(&legacy)).await.status, 200);
    let wrong = fixture
        .call("pair", json!({ "code": ["CANARY-LIST"] }))
        .await;
    assert_eq!(
        wrong["structuredContent"]["error"]["code"],
        "invalid_arguments"
    );
    {
        let commands = fixture.commands.lock().unwrap();
        let [
            Command::Pair {
                access,
                approve_node,
                ..
            },
            Command::Connect { token, url, .. },
        ] = commands.as_slice()
        else {
            panic!("{commands:?}")
        };
        assert_eq!((*access, *approve_node), (Access::Limited, true));
        assert_eq!(
            (token.expose(), url.as_str()),
            ("CANARY-TOKEN", "ws://127.0.0.1:1")
        );
    }
    let logged = log().text();
    assert!(logged.contains("tool called"));
    assert!(!logged.contains("CANARY"), "{logged}");
    assert!(!logged.contains(&fixture.token), "{logged}");
}

#[tokio::test]
async fn a_problem_is_a_tool_error_with_its_remedy() {
    let fixture = Fixture::new().await;
    let result = fixture.call("forget", json!({ "gateway": "none" })).await;
    assert_eq!(result["isError"], true);
    let error = &result["structuredContent"]["error"];
    assert_eq!(error["code"], "unknown_gateway");
    assert_eq!(
        error["message"],
        "No such gateway. No gateway has this id or name."
    );
    assert!(
        error["remedy"]
            .as_str()
            .unwrap()
            .contains("claw-companion gateways")
    );
}

#[tokio::test]
async fn health_needs_no_token_and_readiness_follows_the_snapshot() {
    let fixture = Fixture::new().await;
    let health = fixture.send(fixture.get("/healthz")).await;
    assert_eq!((health.status, health.json()), (200, json!({ "ok": true })));
    let ready = fixture.send(fixture.get("/readyz")).await;
    let expected = json!({ "ready": false, "overall": "no_gateways" });
    assert_eq!((ready.status, ready.json()), (503, expected));
    let up = Arc::new(snapshot(2, Overall::Ready));
    fixture.publish.send(up).unwrap();
    assert_eq!(fixture.send(fixture.get("/readyz")).await.status, 200);
    let evil = fixture.get("/readyz").set("Host", "evil.example");
    assert_eq!(fixture.send(evil).await.status, 403);
    for target in ["/challenge", "/challenge?nonce=", "/challenge?nonce=00"] {
        assert_eq!(
            fixture.send(fixture.get(target)).await.status,
            400,
            "{target}"
        );
    }
}
