//! The gateway's answer to a good `connect`. Only what this product uses is read.

use crate::{connect::Role, scope::Scopes, secret::DeviceToken};
use serde::Deserialize;

/// `hello-ok`: this connection is open in its role.
#[derive(Debug, Clone, Deserialize)]
pub struct HelloOk {
    /// Must equal [`crate::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The gateway itself.
    #[serde(default)]
    pub server: Server,
    /// What we were given.
    #[serde(default)]
    pub auth: HelloAuth,
    /// Limits for this connection.
    #[serde(default)]
    pub policy: Policy,
}

/// The gateway that answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Such as `2026.9.6`.
    pub version: String,
    /// Changes with each start of the gateway.
    pub boot_id: String,
}

/// The authority of this connection.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelloAuth {
    /// Empty means a hollow success for an operator.
    pub scopes: Scopes,
    /// The token of this role, on every hello of a device; replace the stored one when it differs.
    pub device_token: Option<DeviceToken>,
    /// Milliseconds since 1970.
    pub issued_at_ms: Option<u64>,
    /// Tokens of several roles at once.
    pub device_tokens: Vec<IssuedToken>,
}

/// A device token with the role that it is for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedToken {
    /// The role that may use it.
    pub role: Role,
    /// The token.
    pub device_token: DeviceToken,
    /// What was granted with it.
    #[serde(default)]
    pub scopes: Scopes,
}

/// Limits that the gateway sets for this connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Bytes in one frame.
    pub max_payload: u64,
    /// Milliseconds between two `tick` events.
    pub tick_interval_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_payload: 25 * 1024 * 1024,
            tick_interval_ms: 30_000,
        }
    }
}

impl HelloOk {
    /// Every device token of this hello under its role; `role` is the one that connected.
    pub fn issued_tokens(&self, role: Role) -> Vec<IssuedToken> {
        let own = self
            .auth
            .device_token
            .clone()
            .map(|device_token| IssuedToken {
                role,
                device_token,
                scopes: self.auth.scopes.clone(),
            });
        let others = self
            .auth
            .device_tokens
            .iter()
            .filter(|token| own.is_none() || token.role != role)
            .cloned();
        own.iter().cloned().chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_both_roles_are_found_once_each() {
        let hello: HelloOk = serde_json::from_str(
            r#"{"type":"hello-ok","protocol":4,"auth":{"role":"node","scopes":[],"deviceToken":"n","deviceTokens":[
                {"deviceToken":"n","role":"node","scopes":[],"issuedAtMs":1},
                {"deviceToken":"o","role":"operator","scopes":["operator.read"],"issuedAtMs":1}]}}"#,
        )
        .expect("parses");
        let tokens = hello.issued_tokens(Role::Node);
        let found: Vec<_> = tokens
            .iter()
            .map(|token| (token.role, token.device_token.expose()))
            .collect();
        assert_eq!(found, [(Role::Node, "n"), (Role::Operator, "o")]);
    }

    #[test]
    fn a_hello_without_policy_gets_the_usual_one() {
        let hello: HelloOk = serde_json::from_str(r#"{"protocol":4}"#).expect("parses");
        assert_eq!(hello.policy, Policy::default());
        assert!(hello.issued_tokens(Role::Operator).is_empty());
    }
}
