//! The client, the files it goes by, and who may sit at the port.

use crate::fixture::{Fixture, snapshot};
use companion_core::snapshot::Overall;
use companion_runtime::scripted;
use companion_store::{DataDir, read_private, write_private};
use control_endpoint::{Client, ClientError, serve};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn it_asks_and_follows() {
    let fixture = Fixture::new().await;
    let mut client = Client::connect(&fixture.dir).await.unwrap();
    let first = client.status(None, Duration::ZERO).await.unwrap();
    assert_eq!(first, snapshot(1, Overall::NoGateways));
    let change = async {
        tokio::task::yield_now().await;
        let changed = Arc::new(snapshot(2, Overall::Ready));
        fixture.publish.send(changed).unwrap();
    };
    let wait = client.status(Some(1), Duration::from_secs(50));
    let (second, ()) = tokio::join!(wait, change);
    assert_eq!(second.unwrap().revision, 2);
    let done = client.call("reconnect", json!({})).await.unwrap();
    assert_eq!(done, json!({ "type": "done" }));
    let no = client.call("forget", json!({ "gateway": "x" })).await;
    assert!(matches!(no, Err(ClientError::Refused(refusal)) if refusal.code == "unknown_gateway"));
}

#[tokio::test]
async fn its_files_are_private_and_the_token_outlives_the_endpoint() {
    let fixture = Fixture::new().await;
    // `read_private` refuses what others could read
    let json = read_private(&fixture.dir.path().join("control.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["url"], fixture.endpoint.url());
    assert_eq!(json["pid"], std::process::id());
    let token_file = json["tokenFile"].as_str().unwrap();
    let token = read_private(token_file.as_ref()).unwrap();
    assert_eq!(token.as_slice(), fixture.token.as_bytes());
    fixture.endpoint.shutdown().await;
    assert!(matches!(
        Client::connect(&fixture.dir).await,
        Err(ClientError::NotRunning)
    ));
    let (companion, _publish) = scripted(snapshot(1, Overall::Ready), |_| unreachable!());
    let again = serve(companion, &fixture.dir, Some(0)).await.unwrap();
    assert_eq!(read_private(token_file.as_ref()).unwrap(), token);
    Client::connect(&fixture.dir).await.unwrap();
    again.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_left_alone() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::at(folder.path()).unwrap();
    let (companion, _publish) = scripted(snapshot(1, Overall::Ready), |_| unreachable!());
    let endpoint = serve(companion, &dir, Some(port)).await.unwrap();
    assert!(endpoint.url().starts_with("http://127.0.0.1:"));
    assert!(!endpoint.url().contains(&format!(":{port}/")));
    Client::connect(&dir).await.unwrap();
    endpoint.shutdown().await;
}

#[tokio::test]
async fn nothing_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::at(folder.path()).unwrap();
    assert!(matches!(
        Client::connect(&dir).await,
        Err(ClientError::NotRunning)
    ));
    write_private(&dir.path().join("control-token"), "a".repeat(43).as_bytes()).unwrap();
    write_private(&dir.path().join("control.json"), b"{").unwrap();
    assert!(matches!(
        Client::connect(&dir).await,
        Err(ClientError::NotRunning)
    ));
}

#[tokio::test]
async fn a_companion_that_was_killed_leaves_a_closed_port() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::at(folder.path()).unwrap();
    let (companion, _publish) = scripted(snapshot(1, Overall::Ready), |_| unreachable!());
    drop(serve(companion, &dir, Some(0)).await.unwrap());
    assert!(dir.path().join("control.json").exists());
    // dropping closes on the next turn of the loop
    while !matches!(Client::connect(&dir).await, Err(ClientError::NotRunning)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_squatter_gets_neither_token_nor_code() {
    let fixture = Fixture::new().await;
    for kind in [
        Squatter::MakesUp,
        Squatter::PassesOn(fixture.authority.clone()),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let file =
            json!({ "url": format!("http://127.0.0.1:{port}/mcp"), "pid": 1, "tokenFile": "x" });
        let path = fixture.dir.path().join("control.json");
        write_private(&path, file.to_string().as_bytes()).unwrap();
        let squatter = tokio::spawn(squat(listener, kind));
        let refused = Client::connect(&fixture.dir).await;
        assert!(matches!(refused, Err(ClientError::Stale)));
        let heard = squatter.await.unwrap();
        assert!(heard.starts_with("GET /challenge?nonce="), "{heard}");
        assert!(!heard.contains(&fixture.token));
        assert!(!heard.to_lowercase().contains("authorization"));
    }
}

enum Squatter {
    MakesUp,
    /// Asks the real endpoint and repeats its proof.
    PassesOn(String),
}

/// Answers the first request and returns all that was heard until the other side closed.
async fn squat(listener: TcpListener, kind: Squatter) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut heard = vec![];
    while !heard.ends_with(b"\r\n\r\n") {
        heard.push(stream.read_u8().await.unwrap());
    }
    let answer = match kind {
        Squatter::MakesUp => {
            let body = json!({ "proof": "0".repeat(64) }).to_string();
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        Squatter::PassesOn(authority) => {
            let text = String::from_utf8_lossy(&heard);
            let target = text.split(' ').nth(1).unwrap();
            let mut real = TcpStream::connect(&authority).await.unwrap();
            let ask =
                format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
            real.write_all(ask.as_bytes()).await.unwrap();
            let mut answer = String::new();
            real.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"));
            answer.replace("connection: close\r\n", "")
        }
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.read_to_end(&mut heard).await.unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}
