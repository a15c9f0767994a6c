use std::{net::Ipv4Addr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

const PATIENCE: Duration = Duration::from_secs(30);

/// One call on a connection of its own, as a local backend without a device: the gateway grants it what it asks for.
pub(super) async fn call(
    port: u16,
    shared_token: &str,
    method: &str,
    params: Value,
) -> Result<Value, Value> {
    let conversation = async {
        let mut socket = open(port).await?;
        let connect = json!({
            "minProtocol": 4,
            "maxProtocol": 4,
            "client": {"id": "gateway-client", "version": "0.1.0", "platform": "linux", "mode": "backend"},
            "role": "operator",
            "scopes": ["operator.admin", "operator.approvals", "operator.pairing", "operator.questions", "operator.read", "operator.write"],
            "auth": {"token": shared_token},
        });
        request(&mut socket, "1", "connect", connect).await?;
        let answer = request(&mut socket, "2", method, params).await;
        // the answer is what counts
        let _ = socket.close(None).await;
        answer
    };
    timeout(PATIENCE, conversation)
        .await
        .unwrap_or_else(|_| Err(failed(&format!("no answer within {PATIENCE:?}"))))
}

async fn open(port: u16) -> Result<WebSocketStream<TcpStream>, Value> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    let stream = stream.map_err(|why| failed(&why))?;
    let opened = client_async(format!("ws://127.0.0.1:{port}/"), stream).await;
    let (mut socket, _) = opened.map_err(|why| failed(&why))?;
    let challenge = read(&mut socket).await?;
    if challenge["event"] != "connect.challenge" {
        return Err(failed(&format!("no challenge but {challenge}")));
    }
    Ok(socket)
}

async fn request(
    socket: &mut WebSocketStream<TcpStream>,
    id: &str,
    method: &str,
    params: Value,
) -> Result<Value, Value> {
    let frame = json!({"type": "req", "id": id, "method": method, "params": params});
    let sent = socket.send(Message::text(frame.to_string())).await;
    sent.map_err(|why| failed(&why))?;
    loop {
        let mut frame = read(socket).await?;
        if frame["type"] == "res" && frame["id"] == id {
            return match frame["ok"].as_bool() {
                Some(true) => Ok(frame["payload"].take()),
                _ => Err(frame["error"].take()),
            };
        }
    }
}

async fn read(socket: &mut WebSocketStream<TcpStream>) -> Result<Value, Value> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|why| failed(&why));
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(failed(&format!("closed: {frame:?}")));
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => return Err(failed(&why)),
            None => return Err(failed(&"the connection ended")),
        }
    }
}

fn failed(why: &impl ToString) -> Value {
    json!({"code": "TEST_TRANSPORT", "message": why.to_string()})
}
