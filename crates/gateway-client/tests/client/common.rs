//! What these tests share: a dial, and gateways that do what the well-behaved fake one does not.

use futures_util::{SinkExt, StreamExt};
use gateway_client::{Connected, Dial, Incident, Incoming, Limits, SeenNonces, connect};
use gateway_protocol::{
    Auth, ClientId, ClientInfo, ClientMode, Connect, DeviceIdentity, Endpoint, IdentitySeed, Role,
    Scope, SharedToken, SignatureVersion,
};
use serde_json::{Value, json};
use std::{future::Future, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn dial(url: &str) -> Dial {
    Dial {
        endpoint: Endpoint::parse(url).expect("an endpoint"),
        pin: None,
        identity: DeviceIdentity::from_seed(&IdentitySeed::new([7; 32])),
        connect: Connect {
            client: ClientInfo {
                id: ClientId::OpenclawLinux,
                mode: ClientMode::Ui,
                version: "0.1.0".to_owned(),
                platform: "linux".to_owned(),
                device_family: "Linux".to_owned(),
                display_name: None,
                instance_id: None,
            },
            role: Role::Operator,
            scopes: [Scope::Read, Scope::Write].into_iter().collect(),
            caps: vec![],
            commands: vec![],
            auth: Auth::Shared(SharedToken::new("the-shared-token")),
            user_agent: None,
        },
        signature: SignatureVersion::V3,
        limits: Limits {
            handshake: PATIENCE,
            reach: PATIENCE,
            challenge: PATIENCE,
            hello: PATIENCE,
            request: PATIENCE,
            quiet: Duration::from_secs(10),
            pong: PATIENCE,
            events: 1024,
        },
        nonces: SeenNonces::new(),
    }
}

pub(crate) async fn connected(url: &str) -> Connected {
    connect(dial(url)).await.expect("connects")
}

/// The next incident, which must come soon.
pub(crate) async fn next(incoming: &mut Incoming) -> Incident {
    timeout(PATIENCE, incoming.next())
        .await
        .expect("an incident in time")
        .expect("an incident")
}

/// The end, skipping what comes before.
pub(crate) async fn end(incoming: &mut Incoming) -> gateway_client::Closed {
    loop {
        if let Incident::Closed(closed) = next(incoming).await {
            return closed;
        }
    }
}

/// Accepts one TCP connection after the other and serves each with the script; gives `127.0.0.1:port`.
pub(crate) async fn serve_tcp<F, R>(
    script: impl Fn(TcpStream) -> F + Send + 'static,
) -> (String, Served<R>)
where
    F: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address").to_string();
    let (done, served) = tokio::sync::mpsc::unbounded_channel();
    let accepting = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("accepts");
            let (script, done) = (script(tcp), done.clone());
            tokio::spawn(async move { done.send(script.await) });
        }
    });
    (
        address,
        Served {
            results: served,
            accepting,
        },
    )
}

/// What scripts returned, in the order of their ends.
pub(crate) struct Served<R> {
    results: tokio::sync::mpsc::UnboundedReceiver<R>,
    accepting: JoinHandle<()>,
}

impl<R> Served<R> {
    pub(crate) async fn next(&mut self) -> R {
        timeout(PATIENCE, self.results.recv())
            .await
            .expect("a served connection in time")
            .expect("the server runs")
    }
}

impl<R> Drop for Served<R> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// As [`serve_tcp`], after the upgrade; gives `ws://127.0.0.1:port`.
pub(crate) async fn serve<F, R>(
    script: impl Fn(Peer<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> (String, Served<R>)
where
    F: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    let (address, served) = serve_tcp(move |tcp| {
        let script = script.clone();
        let serving: std::pin::Pin<Box<dyn Future<Output = R> + Send>> =
            Box::pin(async move { script(Peer::accept(tcp).await).await });
        serving
    })
    .await;
    (format!("ws://{address}"), served)
}

/// Answers every HTTP request with this text.
pub(crate) async fn serve_http(answer: &'static str) -> (String, Served<()>) {
    let (address, served) = serve_tcp(move |mut tcp| async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(tcp.read_u8().await.expect("a request"));
        }
        tcp.write_all(answer.as_bytes()).await.expect("writes");
    })
    .await;
    (format!("ws://{address}"), served)
}

/// The gateway's side of a WebSocket.
pub(crate) struct Peer<S> {
    pub(crate) socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) async fn accept(stream: S) -> Self {
        Self {
            socket: accept_async(stream).await.expect("an upgrade"),
        }
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.text(frame.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.message(Message::text(text.into())).await;
    }

    pub(crate) async fn message(&mut self, message: Message) {
        self.socket.send(message).await.expect("sends");
    }

    pub(crate) async fn challenge(&mut self, payload: Value) {
        self.send(json!({"type": "event", "event": "connect.challenge", "payload": payload}))
            .await;
    }

    /// The next request; `None` when the client closed or left.
    pub(crate) async fn request(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn answer(&mut self, request: &Value, payload: Value) {
        self.send(json!({"type": "res", "id": request["id"], "ok": true, "payload": payload}))
            .await;
    }

    /// Challenge, `connect`, hello; gives the `connect`.
    pub(crate) async fn greet(&mut self, policy: Value) -> Value {
        self.challenge(json!({"nonce": fresh_nonce(), "ts": 1_795_189_837_237_u64}))
            .await;
        let connect = self.request().await.expect("a connect");
        self.answer(&connect, json!({"protocol": 4, "policy": policy}))
            .await;
        connect
    }

    /// The close code that the client sends, without regard to what it sends before.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

pub(crate) fn fresh_nonce() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("nonce-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
