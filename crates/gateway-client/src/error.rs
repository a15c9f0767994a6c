//! Why a connection or a request failed.

use gateway_protocol::{Fingerprint, GatewayError};
use std::{fmt, io, time::Duration};

/// A step of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The HTTP upgrade to a WebSocket.
    Upgrade,
    /// Waiting for `connect.challenge`.
    Challenge,
    /// Waiting for the answer to `connect`.
    Hello,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the name",
            Self::Tcp => "opening the connection",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the upgrade to a WebSocket",
            Self::Challenge => "waiting for the challenge",
            Self::Hello => "waiting for the hello",
        })
    }
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateProblem {
    /// Past its end, or the clock of this computer is wrong.
    Expired,
    /// Before its begin, or the clock of this computer is wrong.
    NotYetValid,
    /// Issued for another host.
    WrongName,
    /// Signed by nobody that this computer trusts, such as by itself.
    UnknownIssuer,
    /// Taken back by its issuer.
    Revoked,
    /// Anything else.
    Other,
}

/// What is wrong with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeProblem {
    /// The first frame is not `connect.challenge`.
    Missing,
    /// Nonce or time cannot be read, or the nonce is longer than any nonce.
    Unreadable,
    /// The nonce is empty.
    EmptyNonce,
    /// There was a second one on the same socket.
    Repeated,
}

/// What is wrong with a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloProblem {
    /// It is no `hello-ok`.
    Unreadable,
    /// It is for this version of the protocol, which we did not offer.
    Protocol(u32),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name could not be looked up, or has no address.
    #[error("the gateway's name could not be looked up")]
    Resolve(#[source] io::Error),
    /// Nothing listens there.
    #[error("nothing listens at the gateway's address")]
    Refused,
    /// No route, or the network said no.
    #[error("the gateway's address cannot be reached")]
    Unreachable(#[source] io::Error),
    /// `ws://`, and the name leads farther away than it says.
    #[error("the name leads outside the network where an unencrypted connection is allowed")]
    PlainTextForbidden,
    /// A pin stands beside `ws://`.
    #[error("a certificate fingerprint needs a wss:// address")]
    PinWithoutTls,
    /// This computer's certificate store cannot be used.
    #[error("the certificates of this computer could not be loaded")]
    TlsSetup(#[source] rustls::Error),
    /// The certificate is not acceptable.
    #[error("the gateway's certificate is not accepted: {0:?}")]
    Certificate(CertificateProblem),
    /// The certificate is another one than the pinned one.
    #[error("the gateway's certificate is {found}, but {expected} was expected")]
    PinMismatch {
        /// The pin.
        expected: Fingerprint,
        /// SHA-256 of the certificate that the gateway showed.
        found: Fingerprint,
    },
    /// TLS failed for another reason, such as a server without TLS.
    #[error("no encrypted connection could be made")]
    Tls(#[source] io::Error),
    /// Something else than a gateway answers there. A redirect is such an answer and is not followed.
    #[error("what answers at this address is not a gateway")]
    NotAGateway {
        /// The HTTP status, if it speaks HTTP.
        status: Option<u16>,
    },
    /// A server asks to come back later (429, 502, 503, 504).
    #[error("the server at this address asks to try again later (HTTP {status})")]
    RetryLater {
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, at most a day; its form with a date is not read.
        retry_after: Option<Duration>,
    },
    /// A step, or all of them, took too long.
    #[error("the gateway took too long: {0}")]
    TimedOut(Phase),
    /// The connection ended before hello and without an answer.
    #[error("the connection was closed before the gateway said hello")]
    ClosedEarly {
        /// The close code, if there was a close frame.
        code: Option<u16>,
        /// The close reason: at most 200 characters, without control characters.
        reason: String,
    },
    /// A frame before hello was larger than any there.
    #[error("the gateway sent too large a frame before its hello")]
    Oversized,
    /// A frame before hello broke the WebSocket or gateway protocol.
    #[error("the gateway sent something unreadable before its hello")]
    Unreadable,
    /// This process signed the nonce before. Nothing was signed.
    #[error("the gateway sent a challenge that was used before")]
    NonceReused,
    /// The challenge cannot be signed.
    #[error("the gateway's challenge is not valid: {0:?}")]
    BadChallenge(ChallengeProblem),
    /// The hello cannot be accepted.
    #[error("the gateway's hello is not valid: {0:?}")]
    BadHello(HelloProblem),
    /// The gateway answered `connect` with an error.
    #[error("the gateway refused: {error}")]
    Gateway {
        /// Its error.
        error: Box<GatewayError>,
        /// The close code that followed at once, if any.
        close: Option<u16>,
    },
}

impl ConnectError {
    /// Fixed text for logs: the variant, with nothing that the gateway wrote.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "resolve",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::PlainTextForbidden => "plain_text_forbidden",
            Self::PinWithoutTls => "pin_without_tls",
            Self::TlsSetup(_) => "tls_setup",
            Self::Certificate(_) => "certificate",
            Self::PinMismatch { .. } => "pin_mismatch",
            Self::Tls(_) => "tls",
            Self::NotAGateway { .. } => "not_a_gateway",
            Self::RetryLater { .. } => "retry_later",
            Self::TimedOut(_) => "timed_out",
            Self::ClosedEarly { .. } => "closed_early",
            Self::Oversized => "oversized",
            Self::Unreadable => "unreadable",
            Self::NonceReused => "nonce_reused",
            Self::BadChallenge(_) => "bad_challenge",
            Self::BadHello(_) => "bad_hello",
            Self::Gateway { .. } => "gateway",
        }
    }
}

/// Why a request has no payload for an answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The gateway said no.
    #[error("the gateway refused: {0}")]
    Gateway(#[source] Box<GatewayError>),
    /// No answer within the deadline; it may still have been carried out.
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The connection ended first; it may still have been carried out.
    #[error("the connection to the gateway ended")]
    Closed,
    /// The parameters cannot be written as JSON. Nothing was sent.
    #[error("the request cannot be written as JSON")]
    Unserialisable(#[source] serde_json::Error),
    /// Larger than this gateway takes; it would have closed the connection. Nothing was sent.
    #[error("the request has {size} bytes, and the gateway takes {limit}")]
    TooLarge {
        /// Bytes of the request.
        size: usize,
        /// Bytes that the gateway takes.
        limit: usize,
    },
}
