//! The client side: what the CLI and a second start use.

use crate::{
    discovery::{ControlFile, MCP_PATH, authority},
    token::ControlToken,
    tools::MAX_WAIT_SECONDS,
};
use companion_core::Snapshot;
use companion_store::DataDir;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{error::Error as StdError, fmt, io, time::Duration};
use tokio::{net::TcpStream, task::spawn_blocking, time::timeout};

const PROTOCOL: &str = "2026-07-28";
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Longer than `status` may wait.
const CALL_TIME: Duration = Duration::from_secs(60);
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A connection to the running companion. The listener has proven that it knows the token.
pub struct Client {
    authority: String,
    bearer: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
    calls: u64,
}

/// Why the companion could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens, or nothing ever did.
    #[error("Claw Companion is not running")]
    NotRunning,
    /// Something else listens where the companion did. It was told nothing.
    #[error(
        "another program listens where Claw Companion did; it is not running, or just starting"
    )]
    Stale,
    /// The companion said no.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The token or `control.json` cannot be read.
    #[error(transparent)]
    Store(#[from] companion_store::Error),
    /// The listener cannot be reached.
    #[error("the companion cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The connection ended before the answer was there.
    #[error("the connection to the companion ended")]
    Lost(#[source] Box<dyn StdError + Send + Sync>),
    /// No answer in time.
    #[error("the companion did not answer in time")]
    TimedOut,
    /// An answer that is none: another version listens.
    #[error("the companion gave an answer that cannot be read (HTTP {0})")]
    Unreadable(StatusCode),
}

/// A tool's own error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// Stable, snake case.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl ClientError {
    /// Is there no companion to ask?
    pub fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning | Self::Stale)
    }
}

impl Client {
    /// Finds the companion that uses this data folder and makes sure that it is the one that listens, before the token
    /// is sent.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`], [`ClientError::Stale`], or why it cannot be told.
    pub async fn connect(dir: &DataDir) -> Result<Self, ClientError> {
        let dir = dir.clone();
        let read = spawn_blocking(move || discover(&dir));
        let Some((file, token)) = read.await.unwrap_or(Ok(None))? else {
            return Err(ClientError::NotRunning);
        };
        let address = file.address().ok_or(ClientError::Stale)?;
        let stream = match timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(ClientError::NotRunning);
            }
            Ok(Err(error)) => return Err(ClientError::Unreachable(error)),
            Err(_) => return Err(ClientError::Stale),
        };
        let authority = authority(address.port());
        let opened = timeout(CONNECT_TIME, prove(stream, &authority, &token)).await;
        let Ok(Some(sender)) = opened else {
            return Err(ClientError::Stale);
        };
        Ok(Self {
            authority,
            bearer: token.bearer().map_err(|_| ClientError::NotRunning)?,
            sender,
            calls: 0,
        })
    }

    /// Everything that may be seen. With the revision of an earlier answer it waits up to `wait` (at most 50 seconds)
    /// for another one.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn status(
        &mut self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Snapshot, ClientError> {
        let arguments = match after {
            Some(revision) => {
                let seconds = wait.as_millis().div_ceil(1000).min(MAX_WAIT_SECONDS.into());
                json!({ "afterRevision": revision, "waitSeconds": seconds })
            }
            None => json!({}),
        };
        let answer = self.call("status", arguments).await?;
        serde_json::from_value(answer).map_err(|_| ClientError::Unreadable(StatusCode::OK))
    }

    /// Calls one tool and gives its structured answer. `arguments` is a JSON object.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the tool says no; [`ClientError::Lost`] if the companion ended meanwhile.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, ClientError> {
        self.calls += 1;
        let body = json!({
            "jsonrpc": "2.0",
            "id": self.calls,
            "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": PROTOCOL,
                    "io.modelcontextprotocol/clientInfo": {
                        "name": "claw-companion-cli",
                        "version": env!("CARGO_PKG_VERSION"),
                    },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let request = Request::post(MCP_PATH)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, &self.bearer)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("MCP-Protocol-Version", PROTOCOL)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", tool)
            .body(Full::from(body.to_string()))
            .map_err(|error| ClientError::Lost(error.into()))?;
        let exchange = async {
            let sent = self.sender.send_request(request).await;
            let response = sent.map_err(|error| ClientError::Lost(error.into()))?;
            read(response).await.map_err(ClientError::Lost)
        };
        let (status, body) = timeout(CALL_TIME, exchange)
            .await
            .map_err(|_| ClientError::TimedOut)??;
        result(status, &body)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

fn discover(dir: &DataDir) -> Result<Option<(ControlFile, ControlToken)>, companion_store::Error> {
    Ok(ControlFile::read(dir)?.zip(ControlToken::load(dir)?))
}

/// Opens HTTP on the stream and lets the listener prove that it knows the token. The same stream is used from then on,
/// so nobody can take the place of the one that answered.
async fn prove(
    stream: TcpStream,
    authority: &str,
    token: &ControlToken,
) -> Option<SendRequest<Full<Bytes>>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut bits = [0_u8; 32];
    getrandom::fill(&mut bits).ok()?;
    let nonce: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("/challenge?nonce={nonce}"))
        .header(HOST, authority)
        .body(Full::default())
        .ok()?;
    let (status, body) = read(sender.send_request(request).await.ok()?).await.ok()?;
    let answer: Value = serde_json::from_slice(&body).ok()?;
    let proof = answer.get("proof")?.as_str()?;
    (status == StatusCode::OK && token.proves(authority, &nonce, proof)).then_some(sender)
}

async fn read(
    response: Response<Incoming>,
) -> Result<(StatusCode, Bytes), Box<dyn StdError + Send + Sync>> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    let events = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let body = if events { last_event(&body) } else { body };
    Ok((parts.status, body))
}

/// The data of the last event that has any: the answer follows its own progress reports.
fn last_event(body: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let data = |event: &str| {
        let lines: Vec<_> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim_start)
            .collect();
        lines.join("\n")
    };
    let answer = text.rsplit("\n\n").map(data).find(|data| !data.is_empty());
    answer.unwrap_or_default().into()
}

#[derive(Deserialize)]
struct RpcAnswer {
    result: ToolResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult {
    structured_content: Value,
    #[serde(default)]
    is_error: bool,
}

fn result(status: StatusCode, body: &[u8]) -> Result<Value, ClientError> {
    let unreadable = || ClientError::Unreadable(status);
    let answer: RpcAnswer = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let mut content = answer.result.structured_content;
    if !answer.result.is_error {
        return Ok(content);
    }
    let error = content.get_mut("error").map(Value::take);
    let refusal = error.and_then(|error| serde_json::from_value(error).ok());
    Err(refusal.map_or_else(unreadable, ClientError::Refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_come_as_the_last_of_some_events() {
        let stream = b"retry: 3000\r\n\r\ndata: {\"method\":\"p\"}\r\n\r\nid: 1\r\ndata: {\"result\":\r\ndata: {\"structuredContent\":7}}\r\n\r\n: ping\r\n\r\n";
        let answer = last_event(stream);
        assert_eq!(result(StatusCode::OK, &answer).unwrap(), json!(7));
    }

    #[test]
    fn a_tools_error_is_read_whole() {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "result": {
            "isError": true,
            "structuredContent": { "error": { "code": "c", "message": "m", "remedy": "r" } },
        } });
        let error = result(StatusCode::OK, body.to_string().as_bytes()).unwrap_err();
        let ClientError::Refused(refusal) = error else {
            panic!("{error}")
        };
        assert_eq!((refusal.code.as_str(), refusal.remedy.as_str()), ("c", "r"));
    }
}
