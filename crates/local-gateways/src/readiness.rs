use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Comes back when the gateway on loopback `port` says that it takes connections; waits for ever until then.
pub(crate) async fn until_ready(port: u16) {
    loop {
        if let Ok(Some(true)) = timeout(ANSWER_LIMIT, ask(port)).await {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// `None` when nothing answers there, or not like a gateway.
async fn ask(port: u16) -> Option<bool> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get("/readyz")
        .header("host", format!("127.0.0.1:{port}"))
        .body(Empty::<Bytes>::new())
        .ok()?;
    let exchange = async move {
        let response = sender.send_request(request).await.ok()?;
        let ready = response.status() == StatusCode::OK;
        let body = Limited::new(response.into_body(), ANSWER_BYTES);
        let body = body.collect().await.ok()?.to_bytes();
        let answer: Answer = serde_json::from_slice(&body).ok()?;
        Some(ready && answer.ready)
    };
    // the connection ends by itself once the exchange has dropped its sender
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}

#[derive(Deserialize)]
struct Answer {
    ready: bool,
}

const PAUSE: Duration = Duration::from_millis(100);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn only_a_ready_gateway_is_ready() {
        let cases = [
            (
                "200 OK",
                r#"{"ready":true,"failing":[],"uptimeMs":1}"#,
                Some(true),
            ),
            (
                "503 Service Unavailable",
                r#"{"ready":false,"failing":["startup-sidecars"]}"#,
                Some(false),
            ),
            ("503 Service Unavailable", r#"{"ready":true}"#, Some(false)),
            ("200 OK", "<!doctype html>", None),
            ("200 OK", r#"{"ok":true}"#, None),
        ];
        for (status, body, expected) in cases {
            let (listener, port) = listen().await;
            let answered = tokio::join!(ask(port), answer(&listener, status, body)).0;
            assert_eq!(answered, expected, "{status} {body}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_not_ready() {
        let (listener, port) = listen().await;
        drop(listener);
        assert_eq!(ask(port).await, None);
    }

    #[tokio::test]
    async fn waits_through_the_start() {
        let (listener, port) = listen().await;
        let gateway = async {
            answer(&listener, "503 Service Unavailable", r#"{"ready":false}"#).await;
            answer(&listener, "200 OK", r#"{"ready":true}"#).await;
        };
        let both = async { tokio::join!(until_ready(port), gateway) };
        timeout(Duration::from_secs(20), both).await.unwrap();
    }

    async fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    async fn answer(listener: &TcpListener, status: &str, body: &str) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
        let length = body.len();
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(response.as_bytes()).await.unwrap();
    }
}
