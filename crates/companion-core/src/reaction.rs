//! One table: each way in which a dial can fail, and what is done about it.

use crate::{effect::Credential, input::OpenFailure, problem::Problem, time::Now};
use gateway_protocol::{DetailCode, GatewayError, Role, SignatureVersion};

/// What to do about a failed dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Dial again after the usual delay, or after a hint in milliseconds that does not grow.
    Retry {
        after_ms: Option<u64>,
        problem: Option<Problem>,
    },
    /// Ask again with the same credential until a person approved.
    AwaitApproval {
        request_id: Option<String>,
        problem: Problem,
    },
    /// The setup code does not give this: narrow the wish or end the setup.
    CodeRefused,
    /// This role's device token is dead: drop it and use what else there is.
    TokenRejected,
    /// The shared token is wrong.
    SharedRejected,
    /// Sign in the older way, once.
    SignOlder,
    /// Stop until a person acts.
    Block(Problem),
}

/// What the table has to know about the dial.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) role: Role,
    pub(crate) credential: Credential,
    pub(crate) signature: SignatureVersion,
    /// Host and port, for people.
    pub(crate) place: &'a str,
}

/// Milliseconds between two tries while a person has to approve.
pub(crate) const APPROVAL_POLL_MS: u64 = 5_000;
const SLOW_MS: u64 = 30_000;
const RATE_LIMIT_MS: u64 = 300_000;

pub(crate) fn react(failure: &OpenFailure, attempt: Attempt<'_>, now: Now) -> Reaction {
    match failure {
        OpenFailure::Unreachable => retry(Problem::gateway_unreachable(attempt.place)),
        OpenFailure::TimedOut => retry(Problem::gateway_unreachable(attempt.place)),
        OpenFailure::Interrupted => Reaction::Retry {
            after_ms: None,
            problem: None,
        },
        OpenFailure::Later(hint) => Reaction::Retry {
            after_ms: hint.map(|ms| ms.clamp(1_000, RATE_LIMIT_MS)),
            problem: Some(Problem::gateway_unreachable(attempt.place)),
        },
        OpenFailure::NotAGateway(status) => slowly(Problem::not_a_gateway(attempt.place, *status)),
        OpenFailure::Protocol => slowly(Problem::not_a_gateway(attempt.place, None)),
        OpenFailure::Tls => slowly(Problem::tls_failed(attempt.place)),
        OpenFailure::WrongCertificate { expected, found } => {
            Reaction::Block(Problem::certificate_changed(expected, found))
        }
        // a private name may lead elsewhere only while a VPN is down
        OpenFailure::PlainText => slowly(Problem::address_refused(
            gateway_protocol::EndpointError::PlainText,
        )),
        OpenFailure::CredentialGone => Reaction::TokenRejected,
        OpenFailure::Refused(error) => refused(error, attempt, now),
    }
}

fn refused(error: &GatewayError, attempt: Attempt<'_>, now: Now) -> Reaction {
    if error.is_starting() {
        let after = error.retry_after_ms.unwrap_or(500).clamp(100, 2_000);
        return Reaction::Retry {
            after_ms: Some(after),
            problem: None,
        };
    }
    let Some(code) = &error.details.code else {
        let hint = error.retry_after_ms.map(|ms| ms.clamp(100, RATE_LIMIT_MS));
        return match error.retryable || error.code == "UNAVAILABLE" {
            true => Reaction::Retry {
                after_ms: hint,
                problem: None,
            },
            false => Reaction::Block(Problem::connection_refused(error)),
        };
    };
    match code {
        DetailCode::PairingRequired => {
            let request_id = error.details.request_id.clone();
            let problem = Problem::approval_needed(attempt.role, request_id.as_deref());
            Reaction::AwaitApproval {
                request_id,
                problem,
            }
        }
        DetailCode::AuthBootstrapTokenInvalid => match attempt.credential {
            Credential::Bootstrap => Reaction::CodeRefused,
            Credential::Device(_) | Credential::Shared => {
                Reaction::Block(Problem::connection_refused(error))
            }
        },
        DetailCode::AuthDeviceTokenMismatch
        | DetailCode::AuthTokenMismatch
        | DetailCode::AuthTokenMissing => match attempt.credential {
            Credential::Device(_) => Reaction::TokenRejected,
            Credential::Shared => Reaction::SharedRejected,
            Credential::Bootstrap => Reaction::CodeRefused,
        },
        DetailCode::AuthScopeMismatch => Reaction::Block(Problem::connection_refused(error)),
        DetailCode::AuthRateLimited => {
            let after = error
                .retry_after_ms
                .unwrap_or(RATE_LIMIT_MS)
                .clamp(1_000, 2 * RATE_LIMIT_MS);
            let after = after + now.between(0, 2_000, 1);
            Reaction::Retry {
                after_ms: Some(after),
                problem: Some(Problem::rate_limited(now.wall.plus(after))),
            }
        }
        DetailCode::DeviceAuthSignatureInvalid => match attempt.signature {
            SignatureVersion::V3 => Reaction::SignOlder,
            SignatureVersion::V2 => Reaction::Block(Problem::connection_refused(error)),
        },
        DetailCode::DeviceAuthSignatureExpired | DetailCode::DeviceAuthNonceMismatch => {
            slowly(Problem::connection_refused(error))
        }
        DetailCode::ProtocolMismatch => {
            Reaction::Block(Problem::protocol_mismatch(error.details.expected_protocol))
        }
        DetailCode::DeviceAuthDeviceIdMismatch
        | DetailCode::MissingScope
        | DetailCode::Other(_) => Reaction::Block(Problem::connection_refused(error)),
    }
}

fn retry(problem: Problem) -> Reaction {
    Reaction::Retry {
        after_ms: None,
        problem: Some(problem),
    }
}

fn slowly(problem: Problem) -> Reaction {
    Reaction::Retry {
        after_ms: Some(SLOW_MS),
        problem: Some(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{problem::ProblemCode, time::Timestamp};
    use serde_json::json;

    #[test]
    fn each_refusal_has_its_own_reaction() {
        let device = Credential::Device(Role::Operator);
        for (details, credential, expected) in [
            (
                json!({"code": "PAIRING_REQUIRED", "requestId": "r"}),
                Credential::Bootstrap,
                "approval r",
            ),
            (
                json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}),
                Credential::Bootstrap,
                "code",
            ),
            (
                json!({"code": "AUTH_DEVICE_TOKEN_MISMATCH"}),
                device,
                "token",
            ),
            (
                json!({"code": "AUTH_TOKEN_MISMATCH"}),
                Credential::Shared,
                "shared",
            ),
            (json!({"code": "AUTH_TOKEN_MISSING"}), device, "token"),
            (
                json!({"code": "AUTH_SCOPE_MISMATCH"}),
                device,
                "block connection_refused_by_gateway",
            ),
            (
                json!({"code": "DEVICE_AUTH_SIGNATURE_INVALID"}),
                device,
                "older",
            ),
            (
                json!({"code": "DEVICE_AUTH_NONCE_MISMATCH"}),
                device,
                "retry 30000",
            ),
            (
                json!({"code": "PROTOCOL_MISMATCH", "expectedProtocol": 5}),
                device,
                "block protocol_mismatch",
            ),
            (
                json!({"code": "AUTH_TAILSCALE_WHATEVER"}),
                device,
                "block connection_refused_by_gateway",
            ),
            (json!({"reason": "startup-sidecars"}), device, "retry 500"),
        ] {
            let error =
                serde_json::from_value(json!({"code": "X", "message": "m", "details": details}))
                    .expect("error");
            assert_eq!(
                name(react(
                    &OpenFailure::Refused(Box::new(error)),
                    attempt(credential),
                    now()
                )),
                expected,
                "{details}"
            );
        }
    }

    #[test]
    fn a_rate_limit_is_waited_for_once_with_a_word_about_it() {
        let error = serde_json::from_value(
            json!({"code": "INVALID_REQUEST", "details": {"code": "AUTH_RATE_LIMITED"}, "retryAfterMs": 9_000}),
        )
        .expect("error");
        let Reaction::Retry {
            after_ms: Some(after),
            problem: Some(problem),
        } = react(
            &OpenFailure::Refused(Box::new(error)),
            attempt(Credential::Shared),
            now(),
        )
        else {
            panic!("no retry")
        };
        assert!((9_000..=11_000).contains(&after));
        assert_eq!(problem.code, ProblemCode::RateLimited);
    }

    #[test]
    fn an_older_signature_is_tried_once() {
        let error = || {
            serde_json::from_value(
                json!({"code": "X", "details": {"code": "DEVICE_AUTH_SIGNATURE_INVALID"}}),
            )
            .expect("error")
        };
        let older = Attempt {
            signature: SignatureVersion::V2,
            ..attempt(Credential::Shared)
        };
        assert_eq!(
            name(react(
                &OpenFailure::Refused(Box::new(error())),
                older,
                now()
            )),
            "block connection_refused_by_gateway"
        );
    }

    fn attempt(credential: Credential) -> Attempt<'static> {
        Attempt {
            role: Role::Operator,
            credential,
            signature: SignatureVersion::V3,
            place: "host:1",
        }
    }

    fn now() -> Now {
        Now {
            wall: Timestamp(0),
            monotonic_ms: 0,
            random: 1,
        }
    }

    fn name(reaction: Reaction) -> String {
        match reaction {
            Reaction::Retry { after_ms, .. } => format!("retry {}", after_ms.unwrap_or(0)),
            Reaction::AwaitApproval { request_id, .. } => {
                format!("approval {}", request_id.unwrap_or_default())
            }
            Reaction::CodeRefused => "code".to_owned(),
            Reaction::TokenRejected => "token".to_owned(),
            Reaction::SharedRejected => "shared".to_owned(),
            Reaction::SignOlder => "older".to_owned(),
            Reaction::Block(problem) => format!("block {}", problem.code.as_str()),
        }
    }
}
