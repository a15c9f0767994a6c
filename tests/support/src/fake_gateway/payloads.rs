//! Realistic payloads and errors for scripts, shaped as the pinned gateway sends them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A `hello-ok` payload for this role. `device_token` is what `auth.deviceToken` carries; `None` leaves it out, as for a
/// connection without a device.
#[must_use]
pub fn hello(role: &str, scopes: &[&str], device_token: Option<&str>) -> Value {
    let now = now_ms();
    let mut auth = json!({"method": "token", "role": role, "scopes": scopes});
    if let Some(token) = device_token {
        auth["method"] = json!("device-token");
        auth["deviceToken"] = json!(token);
        auth["issuedAtMs"] = json!(now);
    }
    json!({
        "type": "hello-ok",
        "protocol": 4,
        "server": {
            "version": "2026.9.6",
            "buildId": "fake",
            "bootId": "00000000-0000-4000-8000-000000000001",
            "controlUiBuildSource": "bundled",
            "connId": uuid::Uuid::new_v4().to_string(),
        },
        "features": {
            "methods": ["health", "status", "node.list", "node.describe", "node.pair.approve", "chat.send"],
            "events": ["connect.challenge", "tick", "shutdown", "presence", "health", "chat", "agent"],
            "capabilities": ["model-catalog-snapshot"],
        },
        "snapshot": {
            "suspension": {"phase": "accepting"},
            "presence": [{"host": "fake", "version": "2026.9.6", "platform": "linux", "mode": "gateway", "reason": "self", "ts": now}],
            "health": {"ok": true, "ts": now, "durationMs": 1, "defaultAgentId": "main", "agents": []},
            "stateVersion": {"presence": 1, "health": 1},
            "uptimeMs": 1000,
            "sessionDefaults": {"defaultAgentId": "main", "mainKey": "main", "mainSessionKey": "agent:main:main", "scope": "per-sender"},
        },
        "auth": auth,
        "policy": {"maxPayload": 26_214_400, "maxBufferedBytes": 52_428_800, "tickIntervalMs": 30_000},
    })
}

/// [`hello`] with the role and scopes that these `connect` params ask for and the device token `device-token-of-<role>`.
#[must_use]
pub fn hello_as_asked(params: &Value) -> Value {
    let role = params["role"].as_str().unwrap_or("operator");
    let asked = params["scopes"].as_array().into_iter().flatten();
    let scopes: Vec<&str> = asked.filter_map(Value::as_str).collect();
    let token = params
        .get("device")
        .map(|_| format!("device-token-of-{role}"));
    hello(role, &scopes, token.as_deref())
}

/// The error for a device that waits for a person: `details.code` `PAIRING_REQUIRED` with this reason (`not-paired`,
/// `role-upgrade`, `scope-upgrade`, `metadata-upgrade`). The gateway closes with 1008 after it.
#[must_use]
pub fn pairing_required(reason: &str, request_id: &str) -> Value {
    json!({
        "code": "NOT_PAIRED",
        "message": "pairing required: device is not approved yet",
        "details": {
            "code": "PAIRING_REQUIRED",
            "reason": reason,
            "requestId": request_id,
            "remediationHint": "Approve this device from the pending pairing requests.",
        },
    })
}

/// The error while the gateway starts: retry after 500 ms. The gateway closes with 1013 after it.
#[must_use]
pub fn starting() -> Value {
    json!({
        "code": "UNAVAILABLE",
        "message": "gateway starting; retry shortly",
        "details": {"reason": "startup-sidecars"},
        "retryable": true,
        "retryAfterMs": 500,
    })
}

/// An authentication error with this `details.code`, such as `AUTH_DEVICE_TOKEN_MISMATCH`. The gateway closes with 1008 after it.
#[must_use]
pub fn unauthorized(code: &str) -> Value {
    json!({
        "code": "INVALID_REQUEST",
        "message": "unauthorized",
        "details": {"code": code, "canRetryWithDeviceToken": false, "recommendedNextStep": "review_auth_configuration"},
    })
}

/// A setup code: base64url of `{url, bootstrapToken, expiresAtMs}`.
#[must_use]
pub fn setup_code(url: &str, bootstrap_token: &str, lifetime: Duration) -> String {
    let lifetime = u64::try_from(lifetime.as_millis()).expect("a sensible lifetime");
    let payload =
        json!({"url": url, "bootstrapToken": bootstrap_token, "expiresAtMs": now_ms() + lifetime});
    URL_SAFE_NO_PAD.encode(payload.to_string())
}

pub(super) fn challenge() -> Value {
    json!({
        "type": "event",
        "event": "connect.challenge",
        "payload": {
            "nonce": uuid::Uuid::new_v4().to_string(),
            "ts": now_ms(),
            "capabilities": ["model-catalog-snapshot"],
        },
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a clock before the year 584 million")
}
