//! The fake gateway, driven by a bare WebSocket client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use test_support::{Answer, FakeGateway, Reply, payloads};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn says_hello_after_the_challenge_and_records_the_connect() {
    let fake = FakeGateway::builder().start().await;
    let mut client = Client::open(&fake).await;
    let challenge = client.read().await;
    assert_eq!(challenge["event"], "connect.challenge");
    assert_eq!(challenge["payload"]["nonce"].as_str().unwrap().len(), 36);
    assert!(challenge["payload"]["ts"].is_u64());

    let hello = client.connect("operator", &["operator.read"]).await;
    assert_eq!(hello["ok"], true);
    assert_eq!(hello["id"], "1");
    let payload = &hello["payload"];
    assert_eq!(payload["type"], "hello-ok");
    assert_eq!(payload["auth"]["scopes"], json!(["operator.read"]));
    assert_eq!(payload["auth"]["deviceToken"], "device-token-of-operator");
    assert_eq!(payload["policy"]["tickIntervalMs"], 30_000);

    let connects = fake.wait_for_connects(1, SOON).await;
    assert_eq!(connects[0]["role"], "operator");
    assert_eq!(fake.connected("operator"), 1);
    assert_eq!(fake.connected("node"), 0);
    assert_eq!(fake.paths(), ["/a/path"]);
}

#[tokio::test]
async fn rejects_as_scripted_and_closes_with_the_code() {
    let mut first = true;
    let fake = FakeGateway::builder()
        .on_connect(move |params| {
            if std::mem::take(&mut first) {
                return Reply::Reject {
                    error: payloads::starting(),
                    close: 1013,
                };
            }
            Reply::Hello(payloads::hello_as_asked(params))
        })
        .start()
        .await;
    let mut client = Client::greeted(&fake).await;
    let refused = client.connect("node", &[]).await;
    assert_eq!(refused["ok"], false);
    assert_eq!(refused["error"]["retryAfterMs"], 500);
    assert_eq!(client.closed().await, Some(1013));

    let mut again = Client::greeted(&fake).await;
    assert_eq!(again.connect("node", &[]).await["ok"], true);
    assert_eq!(fake.connects().len(), 2);
}

#[tokio::test]
async fn answers_requests_and_numbers_events_per_connection() {
    let fake = FakeGateway::builder()
        .on_request(|method, params| match method {
            "echo" => Answer::Payload(params.clone()),
            _ => Answer::Error(json!({"code": "FORBIDDEN", "message": "no"})),
        })
        .start()
        .await;
    let mut client = Client::paired(&fake, "operator").await;
    client
        .send(json!({"type": "req", "id": "a", "method": "echo", "params": {"x": 1}}))
        .await;
    assert_eq!(client.read().await["payload"], json!({"x": 1}));
    client
        .send(json!({"type": "req", "id": "b", "method": "other"}))
        .await;
    assert_eq!(client.read().await["error"]["code"], "FORBIDDEN");
    assert_eq!(fake.wait_for_request("other", SOON).await.params, json!({}));

    assert_eq!(fake.push_event("node", "tick", json!({})), 0);
    assert_eq!(fake.push_event("operator", "tick", json!({"ts": 1})), 1);
    assert_eq!(fake.push_event("operator", "tick", json!({"ts": 2})), 1);
    assert_eq!(client.read().await["seq"], 1);
    assert_eq!(client.read().await["seq"], 2);
}

#[tokio::test]
async fn invokes_a_node_and_gives_its_result() {
    let fake = FakeGateway::builder().start().await;
    let mut client = Client::paired(&fake, "node").await;
    let node = async {
        let request = client.read().await;
        assert_eq!(request["event"], "node.invoke.request");
        assert!(request.get("seq").is_none());
        let payload = &request["payload"];
        assert_eq!(payload["paramsJSON"], r#"{"bins":["sh"]}"#);
        let params = json!({"id": payload["id"], "nodeId": payload["nodeId"], "ok": true, "payloadJSON": "{}"});
        client
            .send(
                json!({"type": "req", "id": "n", "method": "node.invoke.result", "params": params}),
            )
            .await;
    };
    let params = Some(json!({"bins": ["sh"]}));
    let (result, ()) = tokio::join!(fake.invoke("system.which", params, SOON), node);
    assert_eq!(result["payloadJSON"], "{}");
    assert_eq!(result["nodeId"], "device-of-the-test");
}

#[tokio::test]
async fn closes_with_a_code_and_notes_the_answer() {
    let fake = FakeGateway::builder().start().await;
    let mut client = Client::paired(&fake, "operator").await;
    fake.close_all(1012);
    assert_eq!(client.closed().await, Some(1012));
    let closed = fake.wait_for_closed(1, SOON).await;
    assert_eq!(closed[0].code, Some(1012));
    assert_eq!(closed[0].role.as_deref(), Some("operator"));
    assert_eq!(fake.connected("operator"), 0);
}

#[tokio::test]
async fn resets_without_a_close_frame() {
    let fake = FakeGateway::builder().start().await;
    let mut client = Client::paired(&fake, "operator").await;
    fake.reset_all();
    match client.0.next().await {
        Some(Err(Error::Io(error))) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        other => panic!("not a reset: {other:?}"),
    }
}

#[tokio::test]
async fn goes_silent_with_the_socket_open() {
    let fake = FakeGateway::builder().start().await;
    let mut client = Client::paired(&fake, "operator").await;
    fake.ping_all();
    let ping = client.0.next().await.unwrap().unwrap();
    assert!(ping.is_ping());
    fake.go_silent();
    client
        .send(json!({"type": "req", "id": "a", "method": "health"}))
        .await;
    let heard = tokio::time::timeout(Duration::from_millis(200), client.0.next()).await;
    assert!(heard.is_err(), "heard {heard:?}");
    assert_eq!(fake.connected("operator"), 1);
}

#[tokio::test]
async fn never_sends_a_challenge_when_told_so() {
    let fake = FakeGateway::builder().without_challenge().start().await;
    let mut client = Client::open(&fake).await;
    let heard = tokio::time::timeout(Duration::from_millis(200), client.0.next()).await;
    assert!(heard.is_err(), "heard {heard:?}");
}

#[tokio::test]
async fn delays_the_hello() {
    let delay = Duration::from_millis(150);
    let fake = FakeGateway::builder().reply_delay(delay).start().await;
    let mut client = Client::greeted(&fake).await;
    let asked = std::time::Instant::now();
    assert_eq!(client.connect("operator", &[]).await["ok"], true);
    assert!(asked.elapsed() >= delay);
}

#[tokio::test]
async fn stops_listening_and_comes_back_on_the_same_port() {
    let fake = FakeGateway::builder().start().await;
    let kept = Client::paired(&fake, "operator").await;
    fake.stop_listening().await;
    let refused = TcpStream::connect(("127.0.0.1", fake.port())).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert_eq!(fake.connected("operator"), 1);
    fake.start_listening().await;
    let second = Client::paired(&fake, "node").await;
    fake.wait_for_connected("node", 1, SOON).await;
    drop((kept, second));
    fake.wait_for_connected("operator", 0, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn waits_on_its_own_clock() {
    let fake = FakeGateway::builder().start().await;
    let client = async {
        let client = Client::greeted(&fake).await;
        // real time, while the paused clock of the test would jump over any timeout
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(200)))
            .await
            .unwrap();
        let mut client = client;
        client.connect("operator", &[]).await
    };
    let (connects, hello) = tokio::join!(fake.wait_for_connects(1, SOON), client);
    assert_eq!(connects.len(), 1);
    assert_eq!(hello["ok"], true);
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(fake: &FakeGateway) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", fake.port()))
            .await
            .unwrap();
        let url = format!("{}/a/path", fake.url());
        Self(client_async(url, stream).await.unwrap().0)
    }

    async fn greeted(fake: &FakeGateway) -> Self {
        let mut client = Self::open(fake).await;
        assert_eq!(client.read().await["event"], "connect.challenge");
        client
    }

    async fn paired(fake: &FakeGateway, role: &str) -> Self {
        let mut client = Self::greeted(fake).await;
        assert_eq!(client.connect(role, &[]).await["ok"], true);
        fake.wait_for_connected(role, 1, SOON).await;
        client
    }

    async fn connect(&mut self, role: &str, scopes: &[&str]) -> Value {
        let params = json!({"minProtocol": 4, "maxProtocol": 4, "role": role, "scopes": scopes, "device": {"id": "device-of-the-test"}});
        self.send(json!({"type": "req", "id": "1", "method": "connect", "params": params}))
            .await;
        self.read().await
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn read(&mut self) -> Value {
        loop {
            let message = self.0.next().await.unwrap().unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Reads to the end, so that the answer to a close frame goes out too.
    async fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| u16::from(frame.code));
            }
        }
        code
    }
}
