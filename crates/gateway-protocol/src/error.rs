//! What the gateway says when it refuses. Branch on `details.code`; the top-level code is coarse.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// An error as the gateway sent it. `message` is for people with access to the gateway; it differs by client and
/// place, so nothing may branch on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", default)]
#[error("{code}: {message}")]
pub struct GatewayError {
    /// Coarse: `INVALID_REQUEST`, `NOT_PAIRED`, `UNAVAILABLE`, `FORBIDDEN`.
    pub code: String,
    /// Free text.
    pub message: String,
    /// What to branch on.
    #[serde(deserialize_with = "lenient_details")]
    pub details: ErrorDetails,
    /// The gateway's own opinion.
    pub retryable: bool,
    /// Milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// The machine-readable part of an error. Every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorDetails {
    /// Such as `AUTH_TOKEN_MISMATCH`.
    pub code: Option<DetailCode>,
    /// Such as `role-upgrade` or `startup-sidecars`.
    pub reason: Option<String>,
    /// Of a pairing request.
    pub request_id: Option<String>,
    /// Such as `wait_then_retry`.
    pub recommended_next_step: Option<String>,
    /// Is worth one try with the stored device token.
    pub can_retry_with_device_token: bool,
    /// The scope that a request lacked.
    pub missing_scope: Option<String>,
    /// The protocol that the gateway speaks.
    pub expected_protocol: Option<u32>,
}

impl GatewayError {
    /// The refusal is only that the gateway is still starting.
    pub fn is_starting(&self) -> bool {
        self.details.reason.as_deref() == Some("startup-sidecars")
    }

    /// Why pairing is needed, when it is.
    pub fn pairing_reason(&self) -> Option<PairingReason> {
        (self.details.code == Some(DetailCode::PairingRequired)).then_some(
            match self.details.reason.as_deref() {
                Some("role-upgrade") => PairingReason::RoleUpgrade,
                Some("scope-upgrade") => PairingReason::ScopeUpgrade,
                Some("metadata-upgrade") => PairingReason::MetadataUpgrade,
                Some(_) | None => PairingReason::NotPaired,
            },
        )
    }
}

/// Why a person has to approve this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairingReason {
    /// The device is unknown.
    NotPaired,
    /// It is known in another role.
    RoleUpgrade,
    /// It asks for more than it has.
    ScopeUpgrade,
    /// Its platform or family changed.
    MetadataUpgrade,
}

/// `details.code`, closed for what this product reacts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetailCode {
    /// Wrong shared token, or a stale device token sent as one.
    AuthTokenMismatch,
    /// No credential was sent for a known device.
    AuthTokenMissing,
    /// Rotated, revoked, removed, of another role or device.
    AuthDeviceTokenMismatch,
    /// The token is good, the scopes are wider than its grant.
    AuthScopeMismatch,
    /// The setup code is expired, used, unknown, or not for what was asked.
    AuthBootstrapTokenInvalid,
    /// Too many failures from this address.
    AuthRateLimited,
    /// A person must approve.
    PairingRequired,
    /// The signature does not fit what was sent.
    DeviceAuthSignatureInvalid,
    /// The signed time is too far from the gateway's.
    DeviceAuthSignatureExpired,
    /// The nonce is of another socket.
    DeviceAuthNonceMismatch,
    /// The id is not the fingerprint of the key.
    DeviceAuthDeviceIdMismatch,
    /// No common protocol version.
    ProtocolMismatch,
    /// A request lacked a scope.
    MissingScope,
    /// Another code; `AUTH_*` among them means stop and show.
    Other(String),
}

impl DetailCode {
    const NAMED: [(&'static str, Self); 13] = [
        ("AUTH_TOKEN_MISMATCH", Self::AuthTokenMismatch),
        ("AUTH_TOKEN_MISSING", Self::AuthTokenMissing),
        ("AUTH_DEVICE_TOKEN_MISMATCH", Self::AuthDeviceTokenMismatch),
        ("AUTH_SCOPE_MISMATCH", Self::AuthScopeMismatch),
        (
            "AUTH_BOOTSTRAP_TOKEN_INVALID",
            Self::AuthBootstrapTokenInvalid,
        ),
        ("AUTH_RATE_LIMITED", Self::AuthRateLimited),
        ("PAIRING_REQUIRED", Self::PairingRequired),
        (
            "DEVICE_AUTH_SIGNATURE_INVALID",
            Self::DeviceAuthSignatureInvalid,
        ),
        (
            "DEVICE_AUTH_SIGNATURE_EXPIRED",
            Self::DeviceAuthSignatureExpired,
        ),
        ("DEVICE_AUTH_NONCE_MISMATCH", Self::DeviceAuthNonceMismatch),
        (
            "DEVICE_AUTH_DEVICE_ID_MISMATCH",
            Self::DeviceAuthDeviceIdMismatch,
        ),
        ("PROTOCOL_MISMATCH", Self::ProtocolMismatch),
        ("MISSING_SCOPE", Self::MissingScope),
    ];

    /// The wire's name.
    pub fn as_str(&self) -> &str {
        if let Self::Other(text) = self {
            return text;
        }
        Self::NAMED
            .iter()
            .find(|(_, code)| code == self)
            .map_or("", |(name, _)| name)
    }
}

impl fmt::Display for DetailCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DetailCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::NAMED
            .into_iter()
            .find(|(name, _)| *name == text)
            .map_or_else(|| Self::Other(text), |(_, code)| code))
    }
}

/// Details of an unexpected shape say nothing, but must not hide the error itself.
fn lenient_details<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ErrorDetails, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_pairing_request() {
        let error: GatewayError = serde_json::from_str(
            r#"{"code":"NOT_PAIRED","message":"m","details":{"code":"PAIRING_REQUIRED","reason":"role-upgrade","requestId":"r"}}"#,
        )
        .expect("parses");
        assert_eq!(error.pairing_reason(), Some(PairingReason::RoleUpgrade));
        assert_eq!(error.details.request_id.as_deref(), Some("r"));
    }

    #[test]
    fn details_of_another_shape_do_not_hide_the_error() {
        for details in ["null", "[]", r#""text""#, r#"{"code":7}"#] {
            let error: GatewayError = serde_json::from_str(&format!(
                r#"{{"code":"UNAVAILABLE","message":"m","details":{details}}}"#
            ))
            .expect("parses");
            assert_eq!(
                (error.code.as_str(), error.details),
                ("UNAVAILABLE", ErrorDetails::default())
            );
        }
    }

    #[test]
    fn every_code_reads_back_under_its_own_name() {
        for (name, code) in DetailCode::NAMED {
            let read: DetailCode = serde_json::from_str(&format!("\"{name}\"")).expect("parses");
            assert_eq!((read.as_str(), &read), (name, &code));
        }
        let other: DetailCode = serde_json::from_str("\"AUTH_FUTURE\"").expect("parses");
        assert_eq!(other.as_str(), "AUTH_FUTURE");
    }
}
