//! A request's body, read once and checked before the MCP library sees it.

use http::{StatusCode, header::CONTENT_LENGTH, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use serde_json::{Map, Value};
use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};
use tokio::time::timeout;

/// The longest body that is read.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
const BODY_TIME: Duration = Duration::from_secs(30);

/// One message of the protocol, without the arguments of a tool call.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) body: Bytes,
    pub(crate) arguments: Arguments,
}

/// The arguments of a tool call. They may hold a setup code or token and travel beside the message, because the MCP
/// library logs every message that it is given.
#[derive(Clone, Default)]
pub(crate) struct Arguments(Arc<Map<String, Value>>);

impl Arguments {
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        (*self.0).clone()
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments(redacted)")
    }
}

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadMessage {
    TooLarge,
    TooSlow,
    /// The connection ended in the middle of it.
    Cut,
    NotJson,
    NotAMessage,
}

impl BadMessage {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut | Self::NotJson | Self::NotAMessage => StatusCode::BAD_REQUEST,
        }
    }

    /// Code and text of a JSON-RPC error, for a caller that speaks the protocol.
    pub(crate) fn rpc(self) -> Option<(i32, &'static str)> {
        match self {
            Self::TooLarge | Self::TooSlow | Self::Cut => None,
            Self::NotJson => Some((-32700, "The body is not JSON.")),
            Self::NotAMessage => Some((-32600, "The body is not one JSON-RPC 2.0 message.")),
        }
    }
}

/// Reads the body of a request.
pub(crate) async fn read<B>(parts: &Parts, body: B) -> Result<Message, BadMessage>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let length = parts.headers.get(CONTENT_LENGTH);
    let announced = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(BadMessage::TooLarge);
    }
    match timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await {
        Err(_) => Err(BadMessage::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BadMessage::TooLarge),
        Ok(Err(_)) => Err(BadMessage::Cut),
        Ok(Ok(body)) => parse(&body.to_bytes()),
    }
}

fn parse(body: &[u8]) -> Result<Message, BadMessage> {
    let value = serde_json::from_slice(body).map_err(|_| BadMessage::NotJson)?;
    let Value::Object(mut message) = value else {
        return Err(BadMessage::NotAMessage);
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(BadMessage::NotAMessage);
    }
    let arguments = match message.get("method").and_then(Value::as_str) {
        Some("tools/call") => take_arguments(&mut message)?,
        Some(_) | None => Arguments::default(),
    };
    let body = serde_json::to_vec(&message).map_err(|_| BadMessage::NotJson)?;
    Ok(Message {
        body: body.into(),
        arguments,
    })
}

fn take_arguments(message: &mut Map<String, Value>) -> Result<Arguments, BadMessage> {
    let params = message.get_mut("params").and_then(Value::as_object_mut);
    match params.and_then(|params| params.remove("arguments")) {
        None | Some(Value::Null) => Ok(Arguments::default()),
        Some(Value::Object(arguments)) => Ok(Arguments(Arc::new(arguments))),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(BadMessage::NotAMessage)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_a_tool_call_leave_the_message() {
        let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pair","arguments":{"code":"CANARY"}}}"#;
        let message = parse(body).unwrap();
        assert!(!String::from_utf8_lossy(&message.body).contains("CANARY"));
        assert!(!format!("{message:?}").contains("CANARY"));
        assert_eq!(message.arguments.to_map()["code"], "CANARY");
    }

    #[test]
    fn what_is_not_one_message_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (body, reason) in [
            ("", BadMessage::NotJson),
            ("{", BadMessage::NotJson),
            (deep.as_str(), BadMessage::NotJson),
            ("null", BadMessage::NotAMessage),
            ("[]", BadMessage::NotAMessage),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
                BadMessage::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
                BadMessage::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pair","arguments":"x"}}"#,
                BadMessage::NotAMessage,
            ),
        ] {
            let shown: String = body.chars().take(60).collect();
            assert_eq!(parse(body.as_bytes()).err(), Some(reason), "{shown}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}").err(), Some(BadMessage::NotJson));
    }
}
