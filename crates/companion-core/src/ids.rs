//! Names of the things that live in the core.

use gateway_protocol::Role;
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;

/// One gateway record, for ever. Not derived from its address, which may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(transparent)]
#[ts(export)]
pub struct GatewayId(String);

impl GatewayId {
    /// Takes an id as it was stored or typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes an id of random bits: `gw-` and eight hex digits.
    pub fn from_random(bits: u64) -> Self {
        Self(format!("gw-{:08x}", bits >> 32))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One dialled socket. Whatever carries an older generation than the connection's own is dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// Of which gateway.
    pub gateway: GatewayId,
    /// In which role.
    pub role: Role,
    /// Counts the dials of this process.
    pub generation: u64,
}

/// A command handed in by a front door; its answer carries the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);
