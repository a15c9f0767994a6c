//! The server of all figures: a process of its own, so that its work is not counted as the client's.
//!
//! It says its port, then one line per hello that it sent, with the time on this machine's clock.

use std::{
    borrow::Cow,
    io::Write as _,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use test_support::payloads;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

/// A line of the server's output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    /// It listens on this port of 127.0.0.1.
    Listening { port: u16 },
    /// It sent hello to a connection of this role.
    Hello { role: String, unix_nanos: u64 },
}

/// Serves until its stdin closes.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say(&Line::Listening {
        port: listener.local_addr()?.port(),
    })?;
    let (parent_left, left) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // the end of the parent is the end of the server, however it came
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = parent_left.send(());
    });
    let node = Arc::new(Mutex::new(Value::Null));
    let accepting = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                // a client that leaves is no news here
                let _ = converse(stream, &node).await;
            });
        }
    };
    tokio::select! {
        ended = accepting => ended,
        _ = left => Ok(()),
    }
}

#[derive(Deserialize)]
struct Request<'f> {
    #[serde(borrow)]
    id: Cow<'f, str>,
    #[serde(borrow)]
    method: Cow<'f, str>,
    #[serde(borrow)]
    params: Option<&'f RawValue>,
}

async fn converse(stream: TcpStream, node: &Mutex<Value>) -> Result<()> {
    let mut socket = accept_async(stream).await?;
    let challenge = json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": nonce()?, "ts": unix_nanos()? / 1_000_000}});
    socket.send(Message::text(challenge.to_string())).await?;
    greet(&mut socket, node).await?;
    while let Some(message) = socket.next().await {
        answer(&mut socket, &message?, node).await?;
        // what arrived together is answered together
        while let Some(Some(message)) = socket.next().now_or_never() {
            answer(&mut socket, &message?, node).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn greet(socket: &mut WebSocketStream<TcpStream>, node: &Mutex<Value>) -> Result<()> {
    let Some(message) = socket.next().await.transpose()? else {
        return Ok(());
    };
    let frame: Value = serde_json::from_str(message.to_text()?)?;
    let params = &frame["params"];
    if frame["method"] != "connect" || params["device"]["signature"].as_str().is_none() {
        bail!("the first frame is no signed connect");
    }
    let role = params["role"].as_str().unwrap_or("operator").to_owned();
    if role == "node" {
        let mut noted = node.lock().ok().context("no task panics holding it")?;
        *noted = node_row(params);
    }
    let payload = payloads::hello_as_asked(params);
    let hello = json!({"type": "res", "id": frame["id"], "ok": true, "payload": payload});
    socket.send(Message::text(hello.to_string())).await?;
    say(&Line::Hello {
        role,
        unix_nanos: unix_nanos()?,
    })
}

async fn answer(
    socket: &mut WebSocketStream<TcpStream>,
    message: &Message,
    node: &Mutex<Value>,
) -> Result<()> {
    let Message::Text(text) = message else {
        return Ok(());
    };
    let request: Request<'_> = serde_json::from_str(text)?;
    let id = serde_json::to_string(&request.id)?;
    let payload = match request.method.as_ref() {
        "health" => Cow::Borrowed(HEALTH),
        "node.list" | "node.describe" => Cow::Owned(node_answer(&request, node)?),
        _ => Cow::Borrowed("{}"),
    };
    let frame = format!(r#"{{"type":"res","id":{id},"ok":true,"payload":{payload}}}"#);
    socket.feed(Message::text(frame)).await?;
    Ok(())
}

fn node_answer(request: &Request<'_>, node: &Mutex<Value>) -> Result<String> {
    let row = node
        .lock()
        .ok()
        .context("no task panics holding it")?
        .clone();
    if request.method == "node.list" {
        return Ok(json!({"ts": 0, "nodes": [row]}).to_string());
    }
    let asked: Value = serde_json::from_str(request.params.map_or("{}", RawValue::get))?;
    let mut described = if asked["nodeId"] == row["nodeId"] {
        row
    } else {
        json!({})
    };
    described["ts"] = json!(0);
    Ok(described.to_string())
}

/// The connected node as the gateway lists it, with everything it declared approved.
fn node_row(params: &Value) -> Value {
    let client = &params["client"];
    json!({
        "nodeId": params["device"]["id"],
        "displayName": client["displayName"],
        "platform": client["platform"],
        "deviceFamily": client["deviceFamily"],
        "version": client["version"],
        "clientId": client["id"],
        "clientMode": client["mode"],
        "caps": params["caps"],
        "commands": params["commands"],
        "approvalState": "approved",
        "connected": true,
        "paired": true,
    })
}

fn nonce() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unix_nanos() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_nanos())?)
}

fn say(line: &Line) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, line)?;
    writeln!(stdout)?;
    stdout.flush()?;
    Ok(())
}

/// About the size and shape of a small real answer.
const HEALTH: &str = r#"{"ok":true,"ts":1795191585820,"durationMs":3,"plugins":{"loaded":["anthropic","browser","canvas","device-pair"],"errors":[]},"heartbeatSeconds":0,"defaultAgentId":"main"}"#;
