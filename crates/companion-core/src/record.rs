//! What is remembered of a gateway. No secrets: those live in the secret store under the gateway's id.

use crate::{command::Access, ids::GatewayId, time::Timestamp};
use gateway_protocol::{DeviceId, Endpoint, Fingerprint, Role, Scopes};
use serde::{Deserialize, Serialize};

/// Every known gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// In the order in which they were added.
    pub gateways: Vec<GatewayRecord>,
    /// The default target of commands.
    pub primary: Option<GatewayId>,
}

/// What is remembered of one gateway: intent and facts, never derived status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRecord {
    /// Names it for ever.
    pub id: GatewayId,
    /// What people call it.
    pub name: String,
    /// Where it is dialled.
    pub endpoint: Endpoint,
    /// Other addresses from its setup code, in the order to try.
    #[serde(default)]
    pub fallbacks: Vec<Endpoint>,
    /// Pin of its certificate.
    #[serde(default)]
    pub pin: Option<Fingerprint>,
    /// Our device there; `None` until its key was stored.
    #[serde(default)]
    pub device_id: Option<DeviceId>,
    /// Who brought it here.
    #[serde(default)]
    pub origin: Origin,
    /// The roles that the person wants connected.
    pub roles: Vec<Role>,
    /// The exact node commands that the person said yes to for this gateway, sorted; empty: never asked.
    #[serde(default)]
    pub consent: Vec<String>,
    /// A setup code that is not wholly redeemed yet.
    #[serde(default)]
    pub setup: Option<Setup>,
    /// Fingerprints of setup codes that were used, the newest last.
    #[serde(default)]
    pub used_codes: Vec<String>,
    /// What the operator asked for when it was paired; less than that is not enough.
    #[serde(default)]
    pub asked: Scopes,
    /// Roles whose device token the gateway rejected, until another way in worked.
    #[serde(default)]
    pub rejected: Vec<Role>,
    /// What the rejected operator token was granted: a fallback asks for no more.
    #[serde(default)]
    pub granted_before: Option<Scopes>,
}

/// Who brought a gateway here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The person paired with it.
    #[default]
    Paired,
    /// The companion runs it itself.
    Local,
}

/// An applied setup code that still has roles to redeem. Its token is in the secret store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// Fingerprint of its token.
    pub code: String,
    /// What the person chose, narrowed by what the gateway refused.
    pub access: Access,
    /// The roles that its token must still redeem.
    pub remaining: Vec<Role>,
    /// When the gateway stops taking it.
    pub expires_at: Option<Timestamp>,
    /// Pin of the certificate that the code named; the record's own only once a role is redeemed.
    #[serde(default)]
    pub pin: Option<Fingerprint>,
    /// Roles that had no token when the code was applied: one that is there came from this code.
    #[serde(default)]
    pub fresh: Vec<Role>,
}

impl GatewayRecord {
    /// How many used codes are remembered.
    pub const MAX_USED_CODES: usize = 16;

    /// Host and port, as people see it.
    pub fn place(&self) -> String {
        format!("{}:{}", self.endpoint.host(), self.endpoint.port())
    }

    /// Is this role wanted?
    pub fn wants(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    pub(crate) fn remember_code(&mut self, code: String) {
        self.used_codes.retain(|used| *used != code);
        self.used_codes.push(code);
        if self.used_codes.len() > Self::MAX_USED_CODES {
            self.used_codes.remove(0);
        }
    }
}
