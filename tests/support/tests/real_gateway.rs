//! The pinned real gateway: start, calls, restarts, a remote way in.

#![allow(clippy::unwrap_used, reason = "tests, their clients too")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use test_support::RealGateway;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn starts_answers_and_survives_both_kinds_of_end() {
    let mut gateway = RealGateway::builder().behind_proxy(true).start().await;
    assert_eq!(gateway.rpc("health", json!({})).await["ok"], true);
    let refused = gateway
        .try_rpc("node.pair.approve", json!({"requestId": "none"}))
        .await;
    assert_eq!(refused.unwrap_err()["code"], "INVALID_REQUEST");

    let code = decode(&gateway.mint_setup_code(json!({})).await);
    assert_eq!(code["url"], gateway.url());
    let elsewhere = json!({"publicUrl": "ws://127.0.0.1:1"});
    let code = decode(&gateway.mint_setup_code(elsewhere).await);
    assert_eq!(code["url"], "ws://127.0.0.1:1");
    let listed = gateway.cli_json(&["nodes", "list", "--json"]).await;
    assert_eq!(listed["paired"], json!([]));

    let proxy = gateway.proxy("192.168.1.77").await;
    assert!(first_line(proxy.port()).await.starts_with("HTTP/1.1 200"));

    let first = gateway.pid();
    gateway.terminate().await;
    assert_eq!(gateway.pid(), None);
    gateway.start_again().await;
    gateway.kill().await;
    gateway.start_again().await;
    assert_ne!(gateway.pid(), first);
    assert_eq!(gateway.rpc("health", json!({})).await["ok"], true);

    let code = decode(&gateway.setup_code(&["--limited"]).await);
    assert!(code["bootstrapToken"].is_string());
}

async fn first_line(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn decode(setup_code: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(setup_code).unwrap()).unwrap()
}
