//! The three kinds of frame: request, response, event. JSON in text frames.

use crate::error::GatewayError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A frame from the gateway. Payloads stay raw text until somebody wants them.
#[derive(Debug, Clone)]
pub enum Frame {
    /// The answer to one of our requests.
    Response(Response),
    /// Something happened at the gateway.
    Event(Event),
    /// A kind that this version does not know; to be ignored and counted.
    Unknown,
}

/// The answer to the request with the same id.
#[derive(Debug, Clone)]
pub struct Response {
    /// The request's id.
    pub id: String,
    /// The payload, or why not. An answer without payload is JSON `null`.
    pub result: Result<Box<RawValue>, GatewayError>,
}

/// Something that happened at the gateway.
#[derive(Debug, Clone)]
pub struct Event {
    /// Such as `tick` or `node.invoke.request`.
    pub name: String,
    /// Counts per connection; challenge and invokes carry none.
    pub seq: Option<u64>,
    /// The payload as it came; `null` when absent.
    pub payload: Box<RawValue>,
}

impl Event {
    /// Reads the payload as `T`.
    ///
    /// # Errors
    /// When the payload has another shape.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.payload.get())
    }
}

/// The text is not a frame of this protocol.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, or not an object of a frame's shape.
    #[error("the gateway sent a frame that is not valid JSON of this protocol")]
    Malformed(#[source] serde_json::Error),
    /// A response that says neither yes nor no in a readable way.
    #[error("the gateway sent a response without id or result")]
    IncompleteResponse,
    /// An event without a name.
    #[error("the gateway sent an event without a name")]
    NamelessEvent,
}

impl Frame {
    /// Reads one text frame. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`FrameError`] when the text is no frame.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let wire: WireFrame<'_> = serde_json::from_str(text).map_err(FrameError::Malformed)?;
        match wire.kind.as_ref() {
            "res" => {
                let (Some(id), Some(ok)) = (wire.id, wire.ok) else {
                    return Err(FrameError::IncompleteResponse);
                };
                let result = if ok {
                    Ok(owned(wire.payload))
                } else {
                    Err(wire.error.unwrap_or_default())
                };
                Ok(Self::Response(Response {
                    id: id.into_owned(),
                    result,
                }))
            }
            "event" => {
                let Some(name) = wire.event else {
                    return Err(FrameError::NamelessEvent);
                };
                Ok(Self::Event(Event {
                    name: name.into_owned(),
                    seq: wire.seq,
                    payload: owned(wire.payload),
                }))
            }
            _ => Ok(Self::Unknown),
        }
    }
}

/// One of our requests, ready to be serialised.
#[expect(
    missing_debug_implementations,
    reason = "the parameters may hold a credential"
)]
#[derive(Serialize)]
pub struct Request<'a, P: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    method: &'a str,
    params: P,
}

impl<'a, P: Serialize> Request<'a, P> {
    /// `id` must be unique on its connection; `params` must be an object of exactly the method's fields.
    pub fn new(id: &'a str, method: &'a str, params: P) -> Self {
        Self {
            kind: "req",
            id,
            method,
            params,
        }
    }

    /// The frame's text.
    ///
    /// # Errors
    /// When the parameters cannot be written as JSON.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[derive(Deserialize)]
struct WireFrame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    ok: Option<bool>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<GatewayError>,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(default)]
    seq: Option<u64>,
}

fn owned(payload: Option<&RawValue>) -> Box<RawValue> {
    payload.unwrap_or(RawValue::NULL).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_payload_as_it_came() {
        let text =
            r#"{"type":"event","event":"tick","payload":{"ts":1},"seq":3,"future":{"a":[1]}}"#;
        let Ok(Frame::Event(event)) = Frame::parse(text) else {
            panic!("no event")
        };
        assert_eq!(
            (event.name.as_str(), event.seq, event.payload.get()),
            ("tick", Some(3), r#"{"ts":1}"#)
        );
    }

    #[test]
    fn an_answer_without_payload_is_null() {
        let Ok(Frame::Response(response)) = Frame::parse(r#"{"type":"res","id":"1","ok":true}"#)
        else {
            panic!("no response")
        };
        assert_eq!(response.result.expect("ok").get(), "null");
    }

    #[test]
    fn what_is_no_frame_is_refused_by_name() {
        assert!(matches!(
            Frame::parse("nonsense"),
            Err(FrameError::Malformed(_))
        ));
        assert!(matches!(
            Frame::parse(r#"{"type":"res","ok":true}"#),
            Err(FrameError::IncompleteResponse)
        ));
        assert!(matches!(
            Frame::parse(r#"{"type":"event"}"#),
            Err(FrameError::NamelessEvent)
        ));
        assert!(matches!(
            Frame::parse(r#"{"type":"future"}"#),
            Ok(Frame::Unknown)
        ));
    }

    #[test]
    fn deep_nesting_is_carried_but_never_unfolded() {
        let deep = format!(
            r#"{{"type":"event","event":"x","payload":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let Ok(Frame::Event(event)) = Frame::parse(&deep) else {
            panic!("no event")
        };
        assert!(event.parse::<serde_json::Value>().is_err());
    }

    #[test]
    fn a_request_has_exactly_four_fields() {
        let text = Request::new("7", "node.list", serde_json::json!({}))
            .to_text()
            .expect("serialises");
        assert_eq!(
            text,
            r#"{"type":"req","id":"7","method":"node.list","params":{}}"#
        );
    }
}
