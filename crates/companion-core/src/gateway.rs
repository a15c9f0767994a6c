//! One gateway: its two connections, which credential and order they use, and what follows from what they hear.

mod dialling;
mod pairing;
mod view;

use self::dialling::Plan;
use crate::{
    app::World,
    connection::Connection,
    effect::{Credential, Dial, Effect, Notification, Query},
    ids::{GatewayId, Socket},
    input::{Ended, OpenFailure, QueryFailure, StoredCredentials, Welcome},
    invokes::Invokes,
    problem::Problem,
    reaction::{Attempt, Reaction, react},
    record::GatewayRecord,
    surface::Surface,
};
use gateway_protocol::{
    Event, Role, Scope,
    node::{InvokeCancel, InvokeRequest, NodePairEvent, NodeRow, parse_payload},
};
use serde_json::value::RawValue;

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) record: GatewayRecord,
    stored: StoredCredentials,
    /// Pairings that are still being stored; nothing is dialled meanwhile.
    saving: u32,
    /// Record and credentials as they were before them.
    before: Option<Box<(GatewayRecord, StoredCredentials)>>,
    operator: Connection,
    node: Connection,
    version: Option<String>,
    surface: Surface,
    invokes: Invokes,
    /// Tell the person once all wanted roles stand.
    announce: bool,
    /// How the last pairing ended, if that is still worth telling.
    notice: Option<Problem>,
    /// Bootstrap dials whose tokens are being stored, with the roles of those tokens.
    redeeming: Vec<(Socket, Vec<Role>)>,
    /// Role upgrades of our own device that we tried to approve; each once.
    upgrades_tried: Vec<String>,
}

/// What the gateway's own state changed beyond its connections.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) effects: Vec<Effect>,
    /// The record changed and has to be stored.
    pub(crate) record: bool,
}

impl Gateway {
    pub(crate) fn new(record: GatewayRecord, stored: StoredCredentials, world: &World<'_>) -> Self {
        Self {
            record,
            stored,
            saving: 0,
            before: None,
            operator: Connection::off(world.now),
            node: Connection::off(world.now),
            version: None,
            surface: Surface::default(),
            invokes: Invokes::default(),
            announce: false,
            notice: None,
            redeeming: vec![],
            upgrades_tried: vec![],
        }
    }

    /// The secret store was opened: this is what it holds.
    pub(crate) fn restore(&mut self, stored: StoredCredentials) -> Changes {
        if stored.device.is_some() {
            self.record.device_id.clone_from(&stored.device);
        }
        self.stored = stored;
        let Some(setup) = &mut self.record.setup else {
            return Changes::default();
        };
        // the process ended after a token was stored and before that was noted
        for role in setup.fresh.clone() {
            let redeemed = match role {
                Role::Operator => self.stored.operator.is_some(),
                Role::Node => self.stored.node,
            };
            if redeemed {
                setup.redeemed(role);
            }
        }
        self.finish_setup_if_redeemed()
    }

    /// Starts afresh in these roles.
    pub(crate) fn reset(&mut self, role: Option<Role>, world: &World<'_>) -> Vec<Effect> {
        let mut effects = vec![];
        for which in Role::ALL
            .into_iter()
            .filter(|which| role.is_none_or(|role| role == *which))
        {
            let (next, more) = self.take(which, world).reset(world.now);
            self.put(which, next);
            effects.extend(more);
            effects.extend(self.gone(which));
        }
        effects
    }

    /// Tries again only what waits or stopped; open connections stay.
    pub(crate) fn nudge(&mut self, world: &World<'_>) {
        for role in Role::ALL {
            if self.connection(role).connected().is_none() {
                let next = self.take(role, world).redial_due(world.now);
                self.put(role, next);
            }
        }
    }

    /// Dials every role whose turn it is.
    pub(crate) fn settle(&mut self, world: &mut World<'_>) -> Changes {
        let mut changes = Changes::default();
        if world.vault_open {
            changes.absorb(self.expire_setup(world));
        }
        changes.effects.extend(self.announcement());
        let effects = &mut changes.effects;
        for role in [Role::Node, Role::Operator] {
            let Some(carry) = self.connection(role).may_dial() else {
                continue;
            };
            match self.plan(role, world) {
                Plan::Later => {}
                Plan::Block(problem) => self.put(role, Connection::blocked(problem, world.now)),
                Plan::Dial(credential, scopes) => {
                    let dial = Dial {
                        socket: Socket {
                            gateway: self.record.id.clone(),
                            role,
                            generation: world.next_generation(),
                        },
                        endpoint: self.record.endpoint.clone(),
                        pin: self.pin(credential),
                        credential,
                        scopes,
                        commands: if role == Role::Node {
                            world.commands.to_vec()
                        } else {
                            vec![]
                        },
                        signature: carry.signature,
                    };
                    let (next, more) = Connection::dial(dial, carry, world.now);
                    self.put(role, next);
                    effects.extend(more);
                }
            }
        }
        changes
    }

    pub(crate) fn opened(&mut self, role: Role, welcome: Welcome, world: &World<'_>) -> Changes {
        self.version = Some(welcome.version.clone());
        for token in &welcome.tokens {
            match token.role {
                Role::Operator => self.stored.operator = Some(token.scopes.clone()),
                Role::Node => self.stored.node = true,
            }
        }
        let mut record = false;
        if let Connection::Opening(opening) = self.connection(role) {
            record = self.note_success(&opening.dial.clone(), &welcome);
        }
        self.surface.forget();
        let (next, effects) = self.take(role, world).opened(welcome, world.now);
        self.put(role, next);
        let mut changes = Changes { effects, record };
        if self.connection(role).settled().is_some() {
            changes.effects.extend(self.ask_surface());
        }
        changes
    }

    /// What a hello proves about the record; says whether it changed.
    fn note_success(&mut self, dial: &Dial, welcome: &Welcome) -> bool {
        let role = dial.socket.role;
        let before = self.record.clone();
        self.record.rejected.retain(|rejected| *rejected != role);
        if role == Role::Operator {
            self.record.granted_before = None;
            if !matches!(dial.credential, Credential::Device(_)) {
                self.record.asked = dial.scopes.clone();
            }
        }
        if dial.credential == Credential::Bootstrap && !welcome.tokens.is_empty() {
            let roles = welcome.tokens.iter().map(|token| token.role).collect();
            self.redeeming.push((dial.socket.clone(), roles));
        }
        self.record != before
    }

    pub(crate) fn failed(
        &mut self,
        role: Role,
        failure: &OpenFailure,
        world: &World<'_>,
    ) -> Changes {
        let Connection::Opening(opening) = self.connection(role) else {
            return Changes::default();
        };
        let dial = opening.dial.clone();
        let place = self.record.place();
        let attempt = Attempt {
            role,
            credential: dial.credential,
            signature: dial.signature,
            place: &place,
        };
        let mut changes = Changes::default();
        if dial.credential == Credential::Bootstrap && is_out_of_reach(failure) {
            changes.record |= self.try_next_address();
        }
        let reaction = match react(failure, attempt, world.now) {
            Reaction::CodeRefused => {
                changes.absorb(self.code_refused(role));
                Reaction::CodeRefused
            }
            Reaction::TokenRejected => {
                changes.absorb(self.credential_rejected(role, dial.credential));
                Reaction::TokenRejected
            }
            Reaction::SharedRejected => Reaction::Block(Problem::shared_token_rejected()),
            Reaction::AwaitApproval {
                request_id,
                problem,
            } => {
                changes.effects.extend(self.approve_own_upgrade(
                    role,
                    request_id.as_deref(),
                    &dial,
                ));
                Reaction::AwaitApproval {
                    request_id,
                    problem,
                }
            }
            other @ (Reaction::Retry { .. } | Reaction::SignOlder | Reaction::Block(_)) => other,
        };
        let host = self.record.endpoint.host_class();
        let (next, effects) = self.take(role, world).failed(reaction, host, world.now);
        self.put(role, next);
        changes.effects.extend(effects);
        changes
    }

    /// The tokens of a hello are durable, whatever became of its socket since.
    pub(crate) fn tokens_saved(&mut self, socket: &Socket, world: &World<'_>) -> Changes {
        let mut changes = Changes::default();
        let place = self
            .redeeming
            .iter()
            .position(|(redeeming, _)| redeeming == socket);
        let redeemed = place
            .map(|place| self.redeeming.remove(place).1)
            .unwrap_or_default();
        if let Some(setup) = self.record.setup.as_mut().filter(|_| !redeemed.is_empty()) {
            redeemed.into_iter().for_each(|role| setup.redeemed(role));
            if let Some(pin) = setup.pin.clone() {
                self.record.pin = Some(pin);
            }
            changes.record = true;
        }
        changes.absorb(self.finish_setup_if_redeemed());
        if self.owns(socket) {
            let next = self.take(socket.role, world).tokens_saved();
            self.put(socket.role, next);
            changes.effects.extend(self.ask_surface());
        }
        changes
    }

    pub(crate) fn tokens_not_saved(&mut self, role: Role, world: &World<'_>) -> Vec<Effect> {
        let (next, effects) = self.take(role, world).tokens_not_saved(world.now);
        self.put(role, next);
        effects
    }

    pub(crate) fn save_again(&self, role: Role) -> Vec<Effect> {
        self.connection(role).save_again()
    }

    /// All that the person wants is connected, and nothing of it can be lost.
    fn stands(&self) -> bool {
        let settled = |role: &Role| self.connection(*role).settled().is_some();
        !self.record.roles.is_empty()
            && self.record.setup.is_none()
            && self.record.roles.iter().all(settled)
    }

    /// Tells the person once that a pairing is done.
    fn announcement(&mut self) -> Option<Effect> {
        if !self.stands() || !std::mem::take(&mut self.announce) {
            return None;
        }
        Some(Effect::Notify(Notification {
            key: format!("paired-{}", self.record.id),
            title: format!("Paired with {}", self.record.name),
            body: match self.record.wants(Role::Operator) {
                true => format!(
                    "This computer stays connected to {} from now on.",
                    self.record.name
                ),
                false => format!(
                    "This computer is a node of {} from now on.",
                    self.record.name
                ),
            },
        }))
    }

    pub(crate) fn closed(&mut self, role: Role, ended: &Ended, world: &World<'_>) -> Vec<Effect> {
        let host = self.record.endpoint.host_class();
        let (next, mut effects) = self.take(role, world).closed(ended, host, world.now);
        self.put(role, next);
        effects.extend(self.gone(role));
        effects
    }

    fn gone(&mut self, role: Role) -> Vec<Effect> {
        self.surface.forget();
        match role {
            Role::Node => self.invokes.disconnected(),
            Role::Operator => vec![],
        }
    }

    pub(crate) fn redial_due(&mut self, role: Role, world: &World<'_>) {
        let next = self.take(role, world).redial_due(world.now);
        self.put(role, next);
    }

    pub(crate) fn event(&mut self, socket: &Socket, event: &Event) -> Vec<Effect> {
        match (socket.role, event.name.as_str()) {
            (Role::Node, "node.invoke.request") => {
                let Ok(request) = event.parse::<InvokeRequest>() else {
                    return vec![];
                };
                let offered = match self.node.connected() {
                    Some(node) => node.dial.commands.clone(),
                    None => vec![],
                };
                self.invokes.requested(socket, request, &offered)
            }
            (Role::Node, "node.invoke.cancel") => match event.parse::<InvokeCancel>() {
                Ok(cancel) => self.invokes.cancelled(socket, &cancel.invoke_id),
                Err(_) => vec![],
            },
            (Role::Node | Role::Operator, "node.pair.resolved" | "node.pair.requested") => {
                match event.parse::<NodePairEvent>() {
                    Ok(about) if Some(&about.node_id) == self.record.device_id.as_ref() => {
                        self.ask_surface()
                    }
                    Ok(_) | Err(_) => vec![],
                }
            }
            (Role::Node | Role::Operator, _) => vec![],
        }
    }

    pub(crate) fn ran(
        &mut self,
        invoke: &crate::invokes::InvokeId,
        result: Result<serde_json::Value, crate::input::CommandFailure>,
    ) -> Vec<Effect> {
        self.invokes.ran(invoke, result)
    }

    /// Reads how the gateway sees our node, when both connections stand.
    pub(crate) fn ask_surface(&mut self) -> Vec<Effect> {
        let (Some(operator), Some(_), Some(node)) = (
            self.operator.settled(),
            self.node.settled(),
            &self.record.device_id,
        ) else {
            return vec![];
        };
        if !operator.scopes.allow(Scope::Read) {
            return vec![];
        }
        self.surface.ask(&operator.dial.socket, node)
    }

    pub(crate) fn answered(
        &mut self,
        query: &Query,
        result: Result<Box<RawValue>, QueryFailure>,
        world: &World<'_>,
    ) -> Vec<Effect> {
        let Some(operator) = self.operator.settled() else {
            return vec![];
        };
        let socket = operator.dial.socket.clone();
        let may_approve = operator.scopes.allow(Scope::Pairing);
        match query {
            Query::DescribeNode(node) => match result
                .ok()
                .and_then(|payload| parse_payload::<NodeRow>(&payload).ok())
            {
                Some(row) => {
                    self.surface
                        .described(row, &socket, node, &self.record.consent, may_approve)
                }
                None => self.surface.not_described(&self.record.id, world.now),
            },
            Query::ApproveNode(_) => {
                self.surface.approved();
                self.ask_surface()
            }
            Query::ApproveDevice(_) => {
                if result.is_ok() {
                    self.redial_due(Role::Node, world);
                }
                vec![]
            }
        }
    }

    /// Closes what is open, for good.
    pub(crate) fn shut(&mut self, world: &World<'_>) -> Vec<Effect> {
        self.reset(None, world)
    }

    pub(crate) fn owns(&self, socket: &Socket) -> bool {
        self.connection(socket.role).socket() == Some(socket)
    }

    pub(crate) fn id(&self) -> &GatewayId {
        &self.record.id
    }

    /// Are all credentials there that its wanted roles need?
    pub(crate) fn is_paired(&self) -> bool {
        self.record.roles.iter().all(|role| match role {
            Role::Operator => self.stored.operator.is_some(),
            Role::Node => self.stored.node,
        })
    }

    fn connection(&self, role: Role) -> &Connection {
        match role {
            Role::Operator => &self.operator,
            Role::Node => &self.node,
        }
    }

    fn take(&mut self, role: Role, world: &World<'_>) -> Connection {
        let place = match role {
            Role::Operator => &mut self.operator,
            Role::Node => &mut self.node,
        };
        std::mem::replace(place, Connection::off(world.now))
    }

    fn put(&mut self, role: Role, connection: Connection) {
        match role {
            Role::Operator => self.operator = connection,
            Role::Node => self.node = connection,
        }
    }
}

fn is_out_of_reach(failure: &OpenFailure) -> bool {
    matches!(failure, OpenFailure::Unreachable | OpenFailure::TimedOut)
}

impl Changes {
    fn absorb(&mut self, other: Self) {
        self.effects.extend(other.effects);
        self.record |= other.record;
    }
}
