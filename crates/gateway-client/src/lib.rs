//! One WebSocket to one gateway: handshake, requests, events, liveness.
//!
//! May touch sockets and timers. It does what it is told and tells what happened: when to try again, with which
//! credential, and what an event means is decided elsewhere. One task owns each socket after hello; [`Link`] and
//! [`Incoming`] are its two ends.

mod dial;
mod error;
mod events;
mod handshake;
mod link;
mod liveness;
mod nonces;
mod socket;
mod stream;
mod tls;

pub use dial::{Dial, Limits};
pub use error::{
    CertificateProblem, ChallengeProblem, ConnectError, HelloProblem, Phase, RequestError,
};
pub use events::{CloseCause, Closed, Incident, Incoming};
pub use link::Link;
pub use nonces::SeenNonces;

use gateway_protocol::HelloOk;
use tracing::Instrument;

/// A connection that the gateway said hello to.
#[derive(Debug)]
pub struct Connected {
    /// The gateway's hello, with `policy` clamped: ticks of 1 to 120 s, frames of 64 KiB to 64 MiB.
    pub hello: HelloOk,
    /// Sends requests. The connection ends when the last clone is dropped.
    pub link: Link,
    /// What the gateway sends by itself, and the end.
    pub incoming: Incoming,
}

/// Dials the gateway and shakes hands. Dropping the future ends the attempt; nothing stays behind.
///
/// # Errors
/// [`ConnectError`] says in which step it failed. Nothing is signed or sent after a failed check.
pub async fn connect(dial: Dial) -> Result<Connected, ConnectError> {
    let span = tracing::debug_span!(
        "gateway_socket",
        role = %dial.connect.role,
        host = %dial.endpoint.host()
    );
    let opened = handshake::open(&dial).instrument(span.clone()).await;
    let (socket, hello) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(parent: &span, failure = error.name(), "no connection");
            return Err(error);
        }
    };
    tracing::debug!(parent: &span, "connected");
    let (link, incoming) = socket::start(socket, &hello, &dial.limits, span);
    Ok(Connected {
        hello,
        link,
        incoming,
    })
}
