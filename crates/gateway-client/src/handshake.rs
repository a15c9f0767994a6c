//! From an address to a hello, one step after the other, each within its time.

use crate::{
    dial::{Dial, first_to_answer, resolve},
    error::{ChallengeProblem, ConnectError, HelloProblem, Phase},
    stream::{Stream, Wire, polled, say_goodbye},
    tls,
};
use gateway_protocol::{
    Challenge, Endpoint, Event, Frame, HelloOk, PROTOCOL_VERSION, Request, Response,
};
use serde::Deserialize;
use std::{
    future::{Future, poll_fn},
    io,
    ops::RangeInclusive,
    task::Poll,
    time::Duration,
};
use tokio::time::{Instant, timeout, timeout_at};
use tungstenite::{
    Error, Message, Utf8Bytes, WebSocket,
    client::IntoClientRequest,
    error::ProtocolError,
    handshake::{HandshakeError, client::ClientHandshake},
    http::{HeaderMap, header::RETRY_AFTER},
    protocol::WebSocketConfig,
};

/// The id of the `connect` request; requests after hello count on from it.
pub(crate) const CONNECT_ID: u64 = 1;
/// Small, since an idle connection keeps it.
pub(crate) const READ_BUFFER: usize = 32 * 1024;
/// Before a gateway has shown anything but a challenge.
const MAX_CHALLENGE_FRAME: usize = 64 * 1024;
/// A hello names all methods (32 KiB at an idle gateway) and all that is present there.
const MAX_HELLO_FRAME: usize = 1024 * 1024;
/// What a frame needs beyond its payload.
const FRAME_MARGIN: u64 = 64 * 1024;
const MAX_PAYLOAD: RangeInclusive<u64> = 64 * 1024..=64 * 1024 * 1024;
const MAX_NONCE: usize = 256;
const TICK_INTERVAL_MS: RangeInclusive<u64> = 1_000..=120_000;
/// A refusal is followed by its close frame at once, or not at all.
const CLOSE_AFTER_REFUSAL: Duration = Duration::from_millis(250);
const MAX_REASON: usize = 200;
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Goes all the way. The socket then takes frames as large as the hello allows.
pub(crate) async fn open(dial: &Dial) -> Result<(WebSocket<Wire>, HelloOk), ConnectError> {
    let limits = &dial.limits;
    let end = Instant::now() + limits.handshake;
    let until = |limit: Duration| end.min(Instant::now() + limit);

    let socket = reach(dial, until(limits.reach)).await?;
    let mut opening = Opening { socket };
    let challenge = within(
        Phase::Challenge,
        until(limits.challenge),
        opening.challenge(),
    )
    .await?;
    opening.check(&challenge, dial)?;
    let hello = within(
        Phase::Hello,
        until(limits.hello),
        opening.hello(dial, &challenge),
    )
    .await?;
    let mut socket = opening.socket;
    let max_frame = usize::try_from(hello.policy.max_payload + FRAME_MARGIN).unwrap_or(usize::MAX);
    set_max_frame(&mut socket, max_frame);
    Ok((socket, hello))
}

/// Has the other side gone, rather than done something wrong?
pub(crate) fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::TimedOut
    )
}

/// A peer's words, fit to be shown.
pub(crate) fn shown(reason: &str) -> String {
    let is_bidi = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reason
        .chars()
        .filter(|c| !c.is_control() && !is_bidi(*c))
        .take(MAX_REASON)
        .collect()
}

async fn reach(dial: &Dial, deadline: Instant) -> Result<WebSocket<Wire>, ConnectError> {
    let endpoint = &dial.endpoint;
    if dial.pin.is_some() && !endpoint.is_encrypted() {
        return Err(ConnectError::PinWithoutTls);
    }
    let addresses = within(Phase::Resolve, deadline, resolve(endpoint)).await?;
    let tcp = within(Phase::Tcp, deadline, first_to_answer(addresses)).await?;
    let stream = if endpoint.is_encrypted() {
        let host = endpoint.host();
        let tls = tls::secure(tcp, &host, dial.pin.as_ref());
        Stream::Tls(Box::new(within(Phase::Tls, deadline, tls).await?))
    } else {
        Stream::Plain(tcp)
    };
    within(Phase::Upgrade, deadline, upgrade(endpoint, stream)).await
}

async fn within<T>(
    phase: Phase,
    deadline: Instant,
    step: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    timeout_at(deadline, step)
        .await
        .unwrap_or(Err(ConnectError::TimedOut(phase)))
}

async fn upgrade(endpoint: &Endpoint, stream: Stream) -> Result<WebSocket<Wire>, ConnectError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_CHALLENGE_FRAME))
        .max_frame_size(Some(MAX_CHALLENGE_FRAME));
    let started = endpoint
        .as_str()
        .into_client_request()
        .and_then(|request| ClientHandshake::start(Wire::new(stream), request, Some(config)))
        .map_err(upgrade_failure)?;
    let mut started = Some(started);
    poll_fn(|context| {
        let Some(mut step) = started.take() else {
            return Poll::Pending;
        };
        step.get_mut().get_mut().set_waker(context.waker());
        match step.handshake() {
            Ok((socket, _)) => Poll::Ready(Ok(socket)),
            Err(HandshakeError::Interrupted(step)) => {
                started = Some(step);
                Poll::Pending
            }
            Err(HandshakeError::Failure(error)) => Poll::Ready(Err(upgrade_failure(error))),
        }
    })
    .await
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else goes wrong with an upgrade, it was no gateway's"
)]
fn upgrade_failure(error: Error) -> ConnectError {
    match error {
        Error::Http(response) => match response.status().as_u16() {
            status @ (429 | 502 | 503 | 504) => ConnectError::RetryLater {
                status,
                retry_after: retry_after(response.headers()),
            },
            status => ConnectError::NotAGateway {
                status: Some(status),
            },
        },
        Error::Io(error)
            if error
                .get_ref()
                .is_some_and(|inner| inner.is::<rustls::Error>()) =>
        {
            ConnectError::Tls(error)
        }
        Error::Io(error) if !is_lost(&error) => ConnectError::Unreachable(error),
        Error::Io(_) | Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            ConnectError::ClosedEarly {
                code: None,
                reason: String::new(),
            }
        }
        _ => ConnectError::NotAGateway { status: None },
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// An upgraded socket before hello.
struct Opening {
    socket: WebSocket<Wire>,
}

impl Opening {
    async fn challenge(&mut self) -> Result<Challenge, ConnectError> {
        let text = self.text().await?;
        let Ok(Frame::Event(event)) = Frame::parse(&text) else {
            return Err(self.refuse_challenge(ChallengeProblem::Missing));
        };
        if !is_challenge(&event) {
            return Err(self.refuse_challenge(ChallengeProblem::Missing));
        }
        event
            .parse()
            .map_err(|_| self.refuse_challenge(ChallengeProblem::Unreadable))
    }

    /// Only what passes here is signed.
    fn check(&mut self, challenge: &Challenge, dial: &Dial) -> Result<(), ConnectError> {
        if challenge.nonce.is_empty() {
            return Err(self.refuse_challenge(ChallengeProblem::EmptyNonce));
        }
        if challenge.nonce.len() > MAX_NONCE {
            return Err(self.refuse_challenge(ChallengeProblem::Unreadable));
        }
        if !dial.nonces.is_first_use(&challenge.nonce) {
            say_goodbye(&mut self.socket, 1008, "nonce used before");
            return Err(ConnectError::NonceReused);
        }
        Ok(())
    }

    async fn hello(&mut self, dial: &Dial, challenge: &Challenge) -> Result<HelloOk, ConnectError> {
        let id = CONNECT_ID.to_string();
        let signed = dial
            .connect
            .signed(&dial.identity, challenge, dial.signature);
        let text = Request::new(&id, "connect", signed)
            .to_text()
            .map_err(|_| ConnectError::Unreadable)?;
        set_max_frame(&mut self.socket, MAX_HELLO_FRAME);
        self.send(text).await?;
        loop {
            let text = self.text().await?;
            match Frame::parse(&text) {
                Ok(Frame::Response(Response {
                    id: answered,
                    result,
                })) if answered == id => {
                    let payload = match result {
                        Ok(payload) => payload,
                        Err(error) => {
                            return Err(ConnectError::Gateway {
                                error: Box::new(error),
                                close: self.close_code().await,
                            });
                        }
                    };
                    return self.read_hello(payload.get());
                }
                Ok(Frame::Event(event)) if is_challenge(&event) => {
                    return Err(self.refuse_challenge(ChallengeProblem::Repeated));
                }
                Ok(Frame::Response(_) | Frame::Event(_) | Frame::Unknown) => {}
                Err(_) => return Err(self.refuse_hello(HelloProblem::Unreadable)),
            }
        }
    }

    fn read_hello(&mut self, payload: &str) -> Result<HelloOk, ConnectError> {
        // a hello of another protocol need not have the shape of ours
        #[derive(Deserialize)]
        struct Version {
            protocol: u32,
        }
        let Ok(Version { protocol }) = serde_json::from_str(payload) else {
            return Err(self.refuse_hello(HelloProblem::Unreadable));
        };
        if protocol != PROTOCOL_VERSION {
            return Err(self.refuse_hello(HelloProblem::Protocol(protocol)));
        }
        let Ok(mut hello) = serde_json::from_str::<HelloOk>(payload) else {
            return Err(self.refuse_hello(HelloProblem::Unreadable));
        };
        let policy = &mut hello.policy;
        policy.max_payload = policy
            .max_payload
            .clamp(*MAX_PAYLOAD.start(), *MAX_PAYLOAD.end());
        policy.tick_interval_ms = policy
            .tick_interval_ms
            .clamp(*TICK_INTERVAL_MS.start(), *TICK_INTERVAL_MS.end());
        Ok(hello)
    }

    /// The code of the close frame that follows a refusal.
    async fn close_code(&mut self) -> Option<u16> {
        let closing = async {
            loop {
                match self.text().await {
                    Ok(_) => {}
                    Err(ConnectError::ClosedEarly { code, .. }) => return code,
                    Err(_) => return None,
                }
            }
        };
        timeout(CLOSE_AFTER_REFUSAL, closing).await.ok().flatten()
    }

    async fn send(&mut self, text: String) -> Result<(), ConnectError> {
        let mut message = Some(Message::text(text));
        poll_fn(|context| {
            self.socket.get_mut().set_waker(context.waker());
            if let Some(message) = message.take()
                && let Poll::Ready(Err(error)) = polled(self.socket.write(message))
            {
                return Poll::Ready(Err(error));
            }
            polled(self.socket.flush())
        })
        .await
        .map_err(|error| self.failure(error))
    }

    async fn text(&mut self) -> Result<Utf8Bytes, ConnectError> {
        loop {
            let read = poll_fn(|context| {
                self.socket.get_mut().set_waker(context.waker());
                polled(self.socket.read())
            })
            .await;
            match read {
                Ok(Message::Text(text)) => return Ok(text),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Binary(_)) => {
                    say_goodbye(&mut self.socket, 1003, "text frames only");
                    return Err(ConnectError::Unreadable);
                }
                Ok(Message::Close(frame)) => {
                    // answers the close frame; the socket is given up either way
                    let _ = self.socket.flush();
                    return Err(ConnectError::ClosedEarly {
                        code: frame.as_ref().map(|frame| frame.code.into()),
                        reason: frame.map_or_else(String::new, |frame| shown(&frame.reason)),
                    });
                }
                Err(error) => return Err(self.failure(error)),
            }
        }
    }

    fn failure(&mut self, error: Error) -> ConnectError {
        match Violation::of(&error) {
            None => ConnectError::ClosedEarly {
                code: None,
                reason: String::new(),
            },
            Some(violation) => {
                say_goodbye(&mut self.socket, violation.code, violation.reason);
                if violation.is_oversized() {
                    ConnectError::Oversized
                } else {
                    ConnectError::Unreadable
                }
            }
        }
    }

    fn refuse_challenge(&mut self, problem: ChallengeProblem) -> ConnectError {
        say_goodbye(&mut self.socket, 1002, "challenge not valid");
        ConnectError::BadChallenge(problem)
    }

    fn refuse_hello(&mut self, problem: HelloProblem) -> ConnectError {
        say_goodbye(&mut self.socket, 1002, "hello not valid");
        ConnectError::BadHello(problem)
    }
}

/// How to close on a peer that broke the WebSocket protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Violation {
    const OVERSIZED: u16 = 1009;

    /// `None` when the connection just ended.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let (code, reason) = match error {
            Error::Capacity(_) | Error::WriteBufferFull(_) => (Self::OVERSIZED, "frame too large"),
            Error::Utf8(_) => (1007, "not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => return None,
            Error::Protocol(_)
            | Error::Tls(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => (1002, "protocol error"),
        };
        Some(Self { code, reason })
    }

    fn is_oversized(self) -> bool {
        self.code == Self::OVERSIZED
    }
}

pub(crate) fn is_challenge(event: &Event) -> bool {
    event.name == "connect.challenge"
}

fn set_max_frame(socket: &mut WebSocket<Wire>, bytes: usize) {
    socket.set_config(|config| {
        config.max_message_size = Some(bytes);
        config.max_frame_size = Some(bytes);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_and_cleaned() {
        assert_eq!(shown("a\u{1b}[31mb\u{202e}c\r\nd"), "a[31mbcd");
        assert_eq!(shown(&"x".repeat(5000)).len(), MAX_REASON);
    }
}
