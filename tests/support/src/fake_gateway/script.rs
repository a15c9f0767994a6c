//! What the test tells the fake gateway to do.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::{FakeGateway, payloads};

/// What the fake answers to one `connect`.
#[derive(Debug, Clone)]
pub enum Reply {
    /// `ok: true` with this payload; [`payloads::hello`] builds a realistic one.
    Hello(Value),
    /// `ok: false` with this error body (`{code, message, details, retryAfterMs}`), then a close with this code.
    Reject {
        /// The whole `error` object of the response.
        error: Value,
        /// The WebSocket close code that follows.
        close: u16,
    },
    /// No answer; the socket stays open.
    Silence,
    /// The socket is reset (RST) in place of an answer.
    Reset,
}

/// What the fake answers to a request after hello.
#[derive(Debug, Clone)]
pub enum Answer {
    /// `ok: true` with this payload. A plain [`Value`] converts into this.
    Payload(Value),
    /// `ok: false` with this error body.
    Error(Value),
    /// No answer.
    Silence,
}

impl From<Value> for Answer {
    fn from(payload: Value) -> Self {
        Self::Payload(payload)
    }
}

pub(super) type OnConnect = Box<dyn FnMut(&Value) -> Reply + Send>;
pub(super) type OnRequest = Box<dyn FnMut(&str, &Value) -> Answer + Send>;

/// The script of a [`FakeGateway`].
pub struct FakeGatewayBuilder {
    pub(super) on_connect: OnConnect,
    pub(super) on_request: OnRequest,
    pub(super) challenge: bool,
    pub(super) reply_delay: Duration,
}

impl Default for FakeGatewayBuilder {
    fn default() -> Self {
        Self {
            on_connect: Box::new(|params| Reply::Hello(payloads::hello_as_asked(params))),
            on_request: Box::new(|_, _| Answer::Payload(json!({}))),
            challenge: true,
            reply_delay: Duration::ZERO,
        }
    }
}

impl fmt::Debug for FakeGatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGatewayBuilder")
            .field("challenge", &self.challenge)
            .field("reply_delay", &self.reply_delay)
            .finish_non_exhaustive()
    }
}

impl FakeGatewayBuilder {
    /// Decides the answer to each `connect` from its params. Default: hello with the role and scopes that were asked for
    /// and the device token `device-token-of-<role>`.
    #[must_use]
    pub fn on_connect(mut self, script: impl FnMut(&Value) -> Reply + Send + 'static) -> Self {
        self.on_connect = Box::new(script);
        self
    }

    /// Decides the answer to each request after hello, from method and params. Default: the payload `{}`.
    #[must_use]
    pub fn on_request<A: Into<Answer>>(
        mut self,
        mut script: impl FnMut(&str, &Value) -> A + Send + 'static,
    ) -> Self {
        self.on_request = Box::new(move |method, params| script(method, params).into());
        self
    }

    /// Accepts sockets and never sends `connect.challenge`.
    #[must_use]
    pub fn without_challenge(mut self) -> Self {
        self.challenge = false;
        self
    }

    /// Waits this long between a `connect` and its answer.
    #[must_use]
    pub fn reply_delay(mut self, delay: Duration) -> Self {
        self.reply_delay = delay;
        self
    }

    /// Starts listening on a free port of 127.0.0.1, on a thread of its own: a paused clock or a busy test does not stop it.
    pub async fn start(self) -> FakeGateway {
        FakeGateway::start(self).await
    }
}
