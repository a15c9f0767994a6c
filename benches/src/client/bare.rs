//! A client with nothing but a socket, a signature and a map of pending calls.

use std::{collections::HashMap, time::Instant};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{Calls, Dials, Stopwatch, Task, micros_since, say, stay, warm_up};

pub(super) async fn run(task: Task) -> Result<()> {
    let key = key()?;
    match task {
        Task::Hello { url } => {
            let _operator = Connection::open(&url, &key, "operator").await?;
            stay().await
        }
        Task::Idle { url } => {
            let _operator = Connection::open(&url, &key, "operator").await?;
            let _node = Connection::open(&url, &key, "node").await?;
            stay().await
        }
        Task::Dial { url, count } => {
            let mut micros = Vec::with_capacity(count);
            for number in 0..warm_up(count) + count {
                let from = Instant::now();
                let mut connection = Connection::open(&url, &key, "operator").await?;
                if number >= warm_up(count) {
                    micros.push(micros_since(from));
                }
                connection.socket.close(None).await?;
            }
            say(&Dials { micros })
        }
        Task::Rpc {
            url,
            in_flight,
            count,
        } => {
            let mut connection = Connection::open(&url, &key, "operator").await?;
            connection.calls(in_flight, warm_up(count)).await?;
            say(&connection.calls(in_flight, count).await?)
        }
    }
}

struct Connection {
    socket: WebSocketStream<TcpStream>,
    next_id: u64,
}

impl Connection {
    async fn open(url: &str, key: &SigningKey, role: &str) -> Result<Self> {
        let address = url.strip_prefix("ws://").context("a plain address")?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = client_async(url, stream).await?;
        let mut connection = Self { socket, next_id: 2 };
        let challenge = connection.read().await?;
        let connect = connect(key, role, &challenge["payload"])?;
        connection.socket.send(Message::text(connect)).await?;
        let hello = connection.read().await?;
        if hello["ok"] != true {
            bail!("refused: {hello}");
        }
        Ok(connection)
    }

    async fn calls(&mut self, in_flight: usize, count: usize) -> Result<Calls> {
        let watch = Stopwatch::start()?;
        let mut micros = Vec::with_capacity(count);
        let mut pending = HashMap::with_capacity(in_flight);
        let mut started = 0;
        while micros.len() < count {
            while pending.len() < in_flight && started < count {
                let id = self.next_id.to_string();
                self.next_id += 1;
                started += 1;
                let frame = json!({"type": "req", "id": id, "method": "health", "params": {}});
                pending.insert(id, Instant::now());
                self.socket.feed(Message::text(frame.to_string())).await?;
            }
            self.socket.flush().await?;
            let answer = self.read().await?;
            let id = answer["id"].as_str().context("an answer with an id")?;
            let from = pending.remove(id).context("an answer to a call of ours")?;
            micros.push(micros_since(from));
        }
        watch.stop(micros)
    }

    async fn read(&mut self) -> Result<Value> {
        loop {
            let message = self.socket.next().await.context("the server went away")??;
            if let Message::Text(text) = message {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }
}

fn key() -> Result<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("random bytes")?;
    Ok(SigningKey::from_bytes(&seed))
}

fn connect(key: &SigningKey, role: &str, challenge: &Value) -> Result<String> {
    let nonce = challenge["nonce"].as_str().context("a nonce")?;
    let signed_at = challenge["ts"].as_u64().context("a time")?;
    let public = key.verifying_key().to_bytes();
    let device: String = Sha256::digest(public)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let token = format!("device-token-of-{role}");
    let (id, mode, scopes) = match role {
        "node" => ("node-host", "node", &[][..]),
        _ => (
            "openclaw-linux",
            "ui",
            &["operator.read", "operator.write"][..],
        ),
    };
    let text = format!(
        "v3|{device}|{id}|{mode}|{role}|{}|{signed_at}|{token}|{nonce}|linux|linux",
        scopes.join(",")
    );
    let signature = key.sign(text.as_bytes()).to_bytes();
    let frame = json!({"type": "req", "id": "1", "method": "connect", "params": {
        "minProtocol": 4, "maxProtocol": 4,
        "client": {"id": id, "version": "0.1.0", "platform": "linux", "deviceFamily": "Linux", "mode": mode},
        "role": role, "scopes": scopes,
        "auth": {"deviceToken": token},
        "device": {"id": device, "publicKey": URL_SAFE_NO_PAD.encode(public), "signature": URL_SAFE_NO_PAD.encode(signature), "signedAt": signed_at, "nonce": nonce},
    }});
    Ok(frame.to_string())
}
