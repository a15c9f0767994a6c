//! What a person or program may ask of the companion.

use crate::ids::GatewayId;
use gateway_protocol::{Role, SharedToken};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;

/// One wish. Comes from the tray, the window, the CLI or MCP; all mean the same.
#[derive(Debug, Clone, Deserialize, TS)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[ts(export)]
pub enum Command {
    /// Pair by setup code.
    Pair {
        /// The pasted text.
        code: SetupText,
        /// The most that is asked for.
        #[serde(default)]
        access: Access,
        /// The person's yes to this computer's node commands as they are now.
        #[serde(default)]
        approve_node: bool,
    },
    /// Connect with the gateway's own token.
    Connect {
        /// A `ws`, `wss`, `http` or `https` address.
        url: String,
        /// The gateway's token or password.
        #[ts(type = "string")]
        token: SharedToken,
        /// The person's yes to this computer's node commands as they are now.
        #[serde(default)]
        approve_node: bool,
    },
    /// Drop a gateway with everything stored for it.
    Forget {
        /// Which one: id or name.
        gateway: String,
    },
    /// Dial again now.
    Reconnect {
        /// Which one; every gateway if absent.
        gateway: Option<String>,
        /// Which role; both if absent.
        #[ts(type = "\"operator\" | \"node\" | null")]
        role: Option<Role>,
    },
    /// Bring the window to the front, or start it.
    OpenWindow,
    /// End the companion.
    Quit,
}

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
pub enum Done {
    /// Stored; the snapshot tells how it goes on.
    Accepted {
        /// The gateway that it is about.
        gateway: GatewayId,
    },
    /// Nothing more to tell.
    Done,
}

/// The most that a pairing asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Access {
    /// Operator with admin, and node.
    #[default]
    Full,
    /// Operator without admin and pairing, and node.
    Limited,
    /// Node only.
    Node,
}

/// A pasted setup code; holds a bootstrap token.
#[derive(Clone, Deserialize, TS)]
#[serde(transparent)]
#[ts(export, type = "string")]
pub struct SetupText(SecretString);

impl SetupText {
    /// Takes what was pasted.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SetupText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupText(redacted)")
    }
}
