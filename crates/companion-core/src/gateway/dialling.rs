//! Whether a role may dial now, with which credential, and for what.

use super::Gateway;
use crate::{
    app::World,
    connection::Connection,
    effect::Credential,
    problem::{Problem, ProblemCode},
    record::Origin,
};
use gateway_protocol::{Fingerprint, HostClass, Role, Scopes};

pub(super) enum Plan {
    Dial(Credential, Scopes),
    /// Its turn has not come.
    Later,
    Block(Problem),
}

impl Gateway {
    /// A code may name a new certificate, but what was stored before is never sent to it.
    pub(super) fn pin(&self, credential: Credential) -> Option<Fingerprint> {
        let of_code = self
            .record
            .setup
            .as_ref()
            .and_then(|setup| setup.pin.clone());
        match credential {
            Credential::Bootstrap => of_code.or_else(|| self.record.pin.clone()),
            Credential::Device(_) | Credential::Shared => self.record.pin.clone(),
        }
    }

    pub(super) fn plan(&self, role: Role, world: &World<'_>) -> Plan {
        let stored = self.record.device_id.is_some() && self.saving == 0;
        let ready = world.vault_open && stored && self.record.wants(role);
        if !ready || (self.record.origin == Origin::Local && !world.local_ready) {
            return Plan::Later;
        }
        let open = self
            .record
            .setup
            .as_ref()
            .filter(|setup| setup.is_open(world.now.wall));
        if let Some(setup) = open
            && self.stored.bootstrap
            && setup.remaining.contains(&role)
        {
            return match setup.turn(&self.record.endpoint, |role| self.is_stopped(role))
                == Some(role)
            {
                true => Plan::Dial(Credential::Bootstrap, setup.scopes(role)),
                false => Plan::Later,
            };
        }
        match (role, &self.stored.operator, self.stored.node) {
            (Role::Operator, Some(scopes), _) => {
                return Plan::Dial(Credential::Device(role), scopes.clone());
            }
            (Role::Node, _, true) => return Plan::Dial(Credential::Device(role), Scopes::none()),
            (Role::Operator, None, _) | (Role::Node, _, false) => {}
        }
        if self.stored.shared && (!self.record.rejected.contains(&role) || self.is_trusted()) {
            return self.plan_shared(role);
        }
        Plan::Block(self.why_no_credential(role))
    }

    fn is_stopped(&self, role: Role) -> bool {
        matches!(self.connection(role), Connection::Blocked(_))
    }

    pub(super) fn plan_shared(&self, role: Role) -> Plan {
        let other = match role {
            Role::Operator => Role::Node,
            Role::Node => Role::Operator,
        };
        let first = match self.record.endpoint.host_class() {
            HostClass::Loopback => Role::Node,
            HostClass::Private | HostClass::Public => Role::Operator,
        };
        let other_has_token = match other {
            Role::Operator => self.stored.operator.is_some(),
            Role::Node => self.stored.node,
        };
        let other_can_go_on = self.record.wants(other) && !self.is_stopped(other);
        if role != first && other_can_go_on && !other_has_token {
            return Plan::Later;
        }
        let scopes = match role {
            Role::Operator => self
                .record
                .granted_before
                .clone()
                .unwrap_or_else(Scopes::shared_token),
            Role::Node => Scopes::none(),
        };
        Plan::Dial(Credential::Shared, scopes)
    }

    /// May a stored secret be used again here that the gateway did not just prove itself for?
    pub(super) fn is_trusted(&self) -> bool {
        self.record.endpoint.is_encrypted()
            || self.record.endpoint.host_class() == HostClass::Loopback
    }

    pub(super) fn why_no_credential(&self, role: Role) -> Problem {
        if self.record.rejected.contains(&role) {
            return Problem::device_token_rejected(role);
        }
        match &self.notice {
            Some(notice) if is_end_of_setup(notice) => notice.clone(),
            Some(_) | None => Problem::credential_missing(role),
        }
    }
}

fn is_end_of_setup(notice: &Problem) -> bool {
    matches!(
        notice.code,
        ProblemCode::SetupCodeRefused | ProblemCode::SetupCodeExpired
    )
}
