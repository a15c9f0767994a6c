//! Becoming paired: what a setup code or a typed token changes, until it is redeemed, refused or over.

use super::{Changes, Gateway};
use crate::{
    app::World,
    command::Access,
    effect::{Credential, Dial, Effect, Notification, Query},
    problem::Problem,
    record::Setup,
    setup::Narrowed,
};
use gateway_protocol::{DeviceId, Role, Scope, SetupCode};

impl Gateway {
    /// A setup code for this gateway was accepted and is being stored.
    pub(crate) fn begin_setup(
        &mut self,
        code: &SetupCode,
        access: Access,
        consent: Option<Vec<String>>,
    ) {
        self.remember_before();
        let mut setup = Setup::begin(code, access);
        setup.fresh = self.roles_without_token();
        self.record.setup = Some(setup);
        self.record.fallbacks = code.endpoints.iter().skip(1).cloned().collect();
        self.stored.bootstrap = true;
        self.begin(match access {
            Access::Full | Access::Limited => Role::ALL.to_vec(),
            Access::Node => vec![Role::Node],
        });
        self.consent_to(consent);
    }

    /// The gateway's own token was typed and is being stored.
    pub(crate) fn begin_shared(&mut self, consent: Option<Vec<String>>) {
        self.remember_before();
        self.stored.shared = true;
        self.begin(Role::ALL.to_vec());
        self.consent_to(consent);
    }

    pub(super) fn remember_before(&mut self) {
        let before = (self.record.clone(), self.stored.clone());
        self.before.get_or_insert_with(|| Box::new(before));
        self.saving += 1;
    }

    pub(super) fn begin(&mut self, roles: Vec<Role>) {
        for role in roles {
            if !self.record.wants(role) {
                self.record.roles.push(role);
            }
        }
        self.announce = true;
        self.notice = None;
        self.record.rejected.clear();
        self.record.granted_before = None;
    }

    pub(super) fn consent_to(&mut self, consent: Option<Vec<String>>) {
        if let Some(mut commands) = consent {
            commands.sort();
            self.record.consent = commands;
        }
    }

    /// A code that ran out is given up, and its token with it.
    pub(super) fn expire_setup(&mut self, world: &World<'_>) -> Changes {
        let Some(setup) = &self.record.setup else {
            return Changes::default();
        };
        if self.saving > 0 || setup.is_open(world.now.wall) {
            return Changes::default();
        }
        self.record.setup = None;
        self.announce = false;
        self.notice = Some(Problem::setup_code_expired());
        self.forget_bootstrap()
    }

    /// A code names several addresses of one gateway; the first that answers is kept.
    pub(super) fn try_next_address(&mut self) -> bool {
        let stored = &self.stored;
        let nothing_to_lose = stored.operator.is_none() && !stored.node && !stored.shared;
        if !nothing_to_lose || self.record.fallbacks.is_empty() {
            return false;
        }
        let next = self.record.fallbacks.remove(0);
        let failed = std::mem::replace(&mut self.record.endpoint, next);
        self.record.fallbacks.push(failed);
        true
    }

    pub(super) fn code_refused(&mut self, role: Role) -> Changes {
        let Some(setup) = &mut self.record.setup else {
            return Changes::default();
        };
        match setup.refused(role) {
            Narrowed::AskForLess => Changes {
                effects: vec![],
                record: true,
            },
            Narrowed::WithoutOperator => {
                if self.stored.operator.is_none() {
                    self.record.roles.retain(|role| *role != Role::Operator);
                    self.notice = Some(Problem::operator_not_in_code());
                }
                self.finish_setup_if_redeemed()
            }
            Narrowed::Over => {
                self.record.setup = None;
                self.announce = false;
                self.notice = Some(Problem::setup_code_refused());
                self.forget_bootstrap()
            }
        }
    }

    pub(super) fn credential_rejected(&mut self, role: Role, credential: Credential) -> Changes {
        match credential {
            Credential::Device(_) => {
                match role {
                    Role::Operator => self.record.granted_before = self.stored.operator.take(),
                    Role::Node => self.stored.node = false,
                }
                self.record.rejected.push(role);
            }
            Credential::Shared => self.stored.shared = false,
            Credential::Bootstrap => self.stored.bootstrap = false,
        }
        let mut effects = vec![Effect::ForgetSecret(self.record.id.clone(), credential)];
        if matches!(credential, Credential::Device(_)) && self.stored.shared && self.is_trusted() {
            effects.push(Effect::Notify(Notification {
                key: format!("fallback-{}", self.record.id),
                title: format!("{} no longer took this computer's token", self.record.name),
                body: "The gateway's own token is tried once instead, with no more rights than before.".to_owned(),
            }));
        }
        Changes {
            effects,
            record: true,
        }
    }

    /// The person's yes to these commands; says whether it is new.
    pub(crate) fn agree(&mut self, commands: Vec<String>) -> bool {
        let before = self.record.consent.clone();
        self.consent_to(Some(commands));
        self.record.consent != before
    }

    fn roles_without_token(&self) -> Vec<Role> {
        let operator = self.stored.operator.is_none().then_some(Role::Operator);
        let node = (!self.stored.node).then_some(Role::Node);
        operator.into_iter().chain(node).collect()
    }

    /// The same code again while it is not redeemed: only a new yes changes anything.
    pub(crate) fn resumes(&mut self, fingerprint: &str, consent: Option<Vec<String>>) -> bool {
        let same = self
            .record
            .setup
            .as_ref()
            .is_some_and(|setup| setup.code == fingerprint);
        if same {
            self.consent_to(consent);
        }
        same
    }

    /// Our operator may approve our own node's role upgrade, for exactly the commands that the person said yes to.
    pub(super) fn approve_own_upgrade(
        &mut self,
        role: Role,
        request_id: Option<&str>,
        dial: &Dial,
    ) -> Vec<Effect> {
        let Some(request_id) = request_id.filter(|_| role == Role::Node) else {
            return vec![];
        };
        let mut offered = dial.commands.clone();
        offered.sort();
        let agreed = !self.record.consent.is_empty() && self.record.consent == offered;
        let Some(operator) = self
            .operator
            .settled()
            .filter(|operator| operator.scopes.allow(Scope::Pairing))
        else {
            return vec![];
        };
        if !agreed || self.upgrades_tried.iter().any(|tried| tried == request_id) {
            return vec![];
        }
        self.upgrades_tried.push(request_id.to_owned());
        vec![Effect::Ask(
            operator.dial.socket.clone(),
            Query::ApproveDevice(request_id.to_owned()),
        )]
    }

    /// The bootstrap token goes only when no role is left to redeem.
    pub(super) fn finish_setup_if_redeemed(&mut self) -> Changes {
        let Some(setup) = self
            .record
            .setup
            .take_if(|setup| setup.remaining.is_empty())
        else {
            return Changes::default();
        };
        self.record.remember_code(setup.code);
        self.forget_bootstrap()
    }

    pub(super) fn forget_bootstrap(&mut self) -> Changes {
        self.stored.bootstrap = false;
        Changes {
            effects: vec![Effect::ForgetSecret(
                self.record.id.clone(),
                Credential::Bootstrap,
            )],
            record: true,
        }
    }

    pub(crate) fn saved(&mut self, device: DeviceId) {
        self.record.device_id = Some(device);
        self.saving = self.saving.saturating_sub(1);
        if self.saving == 0 {
            self.before = None;
        }
    }

    /// The pairing could not be stored: everything is as it was.
    pub(crate) fn not_saved(&mut self) {
        self.saving = self.saving.saturating_sub(1);
        if let Some(before) = self.before.take() {
            (self.record, self.stored) = *before;
            self.announce = false;
        }
    }
}
