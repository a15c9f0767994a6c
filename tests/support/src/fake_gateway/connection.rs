//! One socket of the fake gateway.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::{Answer, Closed, Reply, Request, Shared, payloads};

/// How long a closing socket waits for the client's close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What the test tells an open connection to do.
pub(super) enum Order {
    Event {
        event: String,
        payload: Value,
        numbered: bool,
    },
    Text(String),
    Ping,
    Close {
        code: u16,
        reason: String,
    },
    Reset,
    FallSilent,
}

/// Serves one accepted socket to its end.
pub(super) async fn serve(
    number: u64,
    stream: TcpStream,
    mut orders: mpsc::UnboundedReceiver<Order>,
    shared: Arc<Shared>,
) {
    let mut connection = Connection {
        number,
        shared: Arc::clone(&shared),
        role: None,
        seq: 0,
        due: None,
        code: None,
    };
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let note_path = |request: &server::Request, response| {
        shared.change(|state| state.paths.push(request.uri().to_string()));
        Ok(response)
    };
    if let Ok(mut socket) = accept_hdr_async(stream, note_path).await {
        // an error here is the client's leaving
        let _ = connection.run(&mut socket, &mut orders).await;
    }
    shared.change(|state| {
        state.open.remove(&number);
        state.closed.push(Closed {
            connection: number,
            role: connection.role.take(),
            code: connection.code,
        });
    });
}

type Socket = WebSocketStream<TcpStream>;
type Ended = tokio_tungstenite::tungstenite::Error;

struct Connection {
    number: u64,
    shared: Arc<Shared>,
    role: Option<String>,
    seq: u64,
    due: Option<Due>,
    code: Option<u16>,
}

/// An answer to `connect` that waits for its time.
struct Due {
    at: Instant,
    id: Value,
    reply: Reply,
}

enum Next {
    Message(Option<Message>),
    Order(Order),
    Due(Due),
}

impl Connection {
    async fn run(
        &mut self,
        socket: &mut Socket,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Result<(), Ended> {
        if self.shared.challenge {
            send(socket, payloads::challenge()).await?;
        }
        loop {
            let next = tokio::select! {
                // what the test ordered comes before what the client sends after it
                biased;
                Some(order) = orders.recv() => Next::Order(order),
                message = socket.next() => Next::Message(message.transpose()?),
                due = come_due(&mut self.due) => Next::Due(due),
            };
            let goes_on = match next {
                Next::Message(Some(message)) => self.hear(socket, message).await?,
                Next::Message(None) => false,
                Next::Order(order) => self.obey(socket, orders, order).await?,
                Next::Due(due) => self.reply(socket, due).await?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    async fn hear(&mut self, socket: &mut Socket, message: Message) -> Result<bool, Ended> {
        match message {
            Message::Text(text) => match serde_json::from_str::<Value>(&text) {
                Ok(frame) if self.role.is_none() => Ok(self.hear_connect(&frame)),
                Ok(frame) => self.hear_request(socket, &frame).await.map(|()| true),
                // the real gateway ignores it after hello and closes before
                Err(_) => Ok(self.role.is_some()),
            },
            Message::Pong(_) => {
                self.shared.change(|state| state.pongs += 1);
                Ok(true)
            }
            Message::Close(frame) => {
                self.code = frame.map(|frame| u16::from(frame.code));
                Ok(true)
            }
            Message::Binary(_) | Message::Ping(_) | Message::Frame(_) => Ok(true),
        }
    }

    fn hear_connect(&mut self, frame: &Value) -> bool {
        if frame["method"] != "connect" {
            return false;
        }
        let params = frame["params"].clone();
        let role = params["role"].as_str().unwrap_or("operator").to_owned();
        self.role = Some(role.clone());
        let reply = (self.shared.script().on_connect)(&params);
        self.due = Some(Due {
            at: Instant::now() + self.shared.reply_delay,
            id: frame["id"].clone(),
            reply,
        });
        let number = self.number;
        self.shared.change(|state| {
            state.connects.push(params);
            if let Some(open) = state.open.get_mut(&number) {
                open.role = Some(role);
            }
        });
        true
    }

    async fn hear_request(&mut self, socket: &mut Socket, frame: &Value) -> Result<(), Ended> {
        if frame["type"] != "req" {
            return Ok(());
        }
        let method = frame["method"].as_str().unwrap_or_default();
        let params = frame.get("params").cloned().unwrap_or_else(|| json!({}));
        let answer = (self.shared.script().on_request)(method, &params);
        self.shared.change(|state| {
            state.requests.push(Request {
                connection: self.number,
                role: self.role.clone().unwrap_or_default(),
                method: method.to_owned(),
                params,
            });
        });
        match answer {
            Answer::Payload(payload) => send(socket, accepted(&frame["id"], &payload)).await,
            Answer::Error(error) => send(socket, refused(&frame["id"], &error)).await,
            Answer::Silence => Ok(()),
        }
    }

    async fn reply(&mut self, socket: &mut Socket, due: Due) -> Result<bool, Ended> {
        match due.reply {
            Reply::Hello(hello) => {
                send(socket, accepted(&due.id, &hello)).await?;
                let number = self.number;
                self.shared.change(|state| {
                    if let Some(open) = state.open.get_mut(&number) {
                        open.ready = true;
                    }
                });
                Ok(true)
            }
            Reply::Reject { error, close } => {
                let reason = error["message"].as_str().unwrap_or_default().to_owned();
                send(socket, refused(&due.id, &error)).await?;
                self.close(socket, close, reason).await.map(|()| false)
            }
            Reply::Silence => Ok(true),
            Reply::Reset => {
                reset(socket);
                Ok(false)
            }
        }
    }

    async fn obey(
        &mut self,
        socket: &mut Socket,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        order: Order,
    ) -> Result<bool, Ended> {
        match order {
            Order::Event {
                event,
                payload,
                numbered,
            } => {
                let mut frame = json!({"type": "event", "event": event, "payload": payload});
                if numbered {
                    self.seq += 1;
                    frame["seq"] = json!(self.seq);
                }
                send(socket, frame).await.map(|()| true)
            }
            Order::Text(text) => socket.send(Message::text(text)).await.map(|()| true),
            Order::Ping => {
                let ping = Message::Ping(b"fake".as_slice().into());
                socket.send(ping).await.map(|()| true)
            }
            Order::Close { code, reason } => self.close(socket, code, reason).await.map(|()| false),
            Order::Reset => {
                reset(socket);
                Ok(false)
            }
            Order::FallSilent => {
                // only a reset or the end of the gateway ends a half-open link
                while let Some(order) = orders.recv().await {
                    if matches!(order, Order::Reset) {
                        reset(socket);
                        return Ok(false);
                    }
                }
                pending().await
            }
        }
    }

    async fn close(
        &mut self,
        socket: &mut Socket,
        code: u16,
        mut reason: String,
    ) -> Result<(), Ended> {
        // a control frame carries at most 123 bytes of text
        reason.truncate(reason.floor_char_boundary(120));
        socket
            .close(Some(CloseFrame {
                code: CloseCode::from(code),
                reason: reason.into(),
            }))
            .await?;
        let answered = async {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    self.code = frame.map(|frame| u16::from(frame.code));
                }
            }
        };
        // a client that does not answer is cut off
        let _ = timeout(CLOSE_WAIT, answered).await;
        Ok(())
    }
}

async fn come_due(due: &mut Option<Due>) -> Due {
    let Some(at) = due.as_ref().map(|due| due.at) else {
        return pending().await;
    };
    sleep_until(at).await;
    match due.take() {
        Some(due) => due,
        None => pending().await,
    }
}

async fn send(socket: &mut Socket, frame: Value) -> Result<(), Ended> {
    socket.send(Message::text(frame.to_string())).await
}

fn accepted(id: &Value, payload: &Value) -> Value {
    json!({"type": "res", "id": id, "ok": true, "payload": payload})
}

fn refused(id: &Value, error: &Value) -> Value {
    json!({"type": "res", "id": id, "ok": false, "error": error})
}

fn reset(socket: &Socket) {
    // a socket that is already gone needs no reset
    let _ = socket.get_ref().set_zero_linger();
}
