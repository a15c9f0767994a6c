//! From the client's errors to the core's words.

use companion_core::{Ended, OpenFailure, input::QueryFailure};
use gateway_client::{Closed, ConnectError, RequestError};

pub(crate) fn open_failure(error: ConnectError) -> OpenFailure {
    match error {
        ConnectError::Resolve(_) | ConnectError::Refused | ConnectError::Unreachable(_) => {
            OpenFailure::Unreachable
        }
        ConnectError::TimedOut(_) => OpenFailure::TimedOut,
        ConnectError::ClosedEarly { .. } => OpenFailure::Interrupted,
        ConnectError::NotAGateway { status } => OpenFailure::NotAGateway(status),
        ConnectError::RetryLater { retry_after, .. } => OpenFailure::Later(
            retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        ),
        ConnectError::PinMismatch { expected, found } => {
            OpenFailure::WrongCertificate { expected, found }
        }
        ConnectError::TlsSetup(_) | ConnectError::Certificate(_) | ConnectError::Tls(_) => {
            OpenFailure::Tls
        }
        ConnectError::PlainTextForbidden | ConnectError::PinWithoutTls => OpenFailure::PlainText,
        ConnectError::Oversized
        | ConnectError::Unreadable
        | ConnectError::NonceReused
        | ConnectError::BadChallenge(_)
        | ConnectError::BadHello(_) => OpenFailure::Protocol,
        ConnectError::Gateway { error, .. } => OpenFailure::Refused(error),
    }
}

/// For the log: our own words, and of the gateway's refusal its code alone.
pub(crate) fn reason(error: &ConnectError) -> String {
    let ConnectError::Gateway { error, .. } = error else {
        return error.to_string();
    };
    match &error.details.code {
        Some(code) => format!("refused: {code}"),
        None => "refused".to_owned(),
    }
}

pub(crate) fn ended(closed: &Closed) -> Ended {
    Ended {
        code: closed.code,
        lived_ms: u64::try_from(closed.after.as_millis()).unwrap_or(u64::MAX),
    }
}

pub(crate) fn query_failure(error: RequestError) -> QueryFailure {
    match error {
        RequestError::Gateway(error) => QueryFailure::Refused(error),
        RequestError::TimedOut
        | RequestError::Closed
        | RequestError::Unserialisable(_)
        | RequestError::TooLarge { .. } => QueryFailure::Lost,
    }
}
