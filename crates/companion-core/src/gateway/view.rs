//! What may be seen of a gateway: status is derived here and nowhere else.

use super::Gateway;
use crate::{
    app::World,
    connection::{Connection, Tokens},
    problem::{Problem, Severity},
    record::Origin,
    snapshot::{CommandsView, GatewayView, NodeView, Overall, RoleState, RoleView},
};
use gateway_protocol::{Role, Scopes};

impl Gateway {
    pub(crate) fn view(&self, primary: bool, world: &World<'_>) -> GatewayView {
        let operator = self.role_view(Role::Operator, world);
        let node = NodeView {
            role: self.node_view(world),
            commands: self.commands_view(world),
        };
        let mut problems: Vec<Problem> = self.notice.iter().cloned().collect();
        if self.stands() {
            // worth knowing, but nothing waits for it any more
            problems
                .iter_mut()
                .for_each(|problem| problem.severity = Severity::Info);
        }
        let withheld = self.withheld(&node.commands);
        if !withheld.is_empty() {
            problems.push(Problem::commands_withheld(&withheld));
        }
        let overall = overall(&operator, &node.role, &problems);
        GatewayView {
            id: self.record.id.clone(),
            name: self.record.name.clone(),
            url: self
                .record
                .endpoint
                .as_str()
                .trim_end_matches('/')
                .to_owned(),
            primary,
            local: self.record.origin == Origin::Local,
            gateway_version: self.version.clone(),
            device_id: self.record.device_id.as_ref().map(ToString::to_string),
            overall,
            problems,
            operator,
            node,
        }
    }

    fn role_view(&self, role: Role, world: &World<'_>) -> RoleView {
        let blank = |state, since| RoleView {
            state,
            since,
            problem: None,
            next_attempt_at: None,
            request_id: None,
            scopes: Scopes::none(),
        };
        match self.connection(role) {
            Connection::Off(off) => {
                let state = match (self.record.wants(role), world.vault_open) {
                    (false, _) => RoleState::Off,
                    (true, true) => RoleState::Connecting,
                    // the store's own problem stands above and says why
                    (true, false) => RoleState::Blocked,
                };
                blank(state, off.since)
            }
            Connection::Opening(opening) => match &opening.carry.pending {
                // asking again is part of waiting
                Some(pending) => RoleView {
                    problem: Some(pending.problem.clone()),
                    request_id: pending.request_id.clone(),
                    ..blank(RoleState::WaitingForApproval, pending.since)
                },
                None => blank(RoleState::Connecting, opening.since),
            },
            Connection::Connected(connected) => {
                let wanted = match role {
                    Role::Operator if !self.record.asked.is_empty() => &self.record.asked,
                    Role::Operator | Role::Node => &connected.dial.scopes,
                };
                let missing = connected.scopes.missing_of(wanted);
                let (state, problem) = match &connected.tokens {
                    Tokens::Saving(_) => (RoleState::Connecting, None),
                    Tokens::NotSaved(..) => (RoleState::Ready, Some(Problem::token_not_saved())),
                    Tokens::Saved if missing.is_empty() => (RoleState::Ready, None),
                    Tokens::Saved => (
                        RoleState::Blocked,
                        Some(Problem::scopes_missing(&missing.joined())),
                    ),
                };
                RoleView {
                    problem,
                    scopes: connected.scopes.clone(),
                    ..blank(state, connected.since)
                }
            }
            Connection::Waiting(waiting) => RoleView {
                problem: waiting.problem.clone(),
                next_attempt_at: Some(waiting.until),
                ..blank(RoleState::Retrying, waiting.since)
            },
            Connection::AwaitingApproval(awaiting) => RoleView {
                problem: Some(awaiting.pending.problem.clone()),
                next_attempt_at: Some(awaiting.until),
                request_id: awaiting.pending.request_id.clone(),
                ..blank(RoleState::WaitingForApproval, awaiting.pending.since)
            },
            Connection::Blocked(blocked) => RoleView {
                problem: Some(blocked.problem.clone()),
                ..blank(RoleState::Blocked, blocked.since)
            },
        }
    }

    /// A connected node whose commands nobody approved is not ready.
    fn node_view(&self, world: &World<'_>) -> RoleView {
        let view = self.role_view(Role::Node, world);
        if view.state != RoleState::Ready || view.problem.is_some() {
            return view;
        }
        if self.surface.is_settling() {
            return RoleView {
                state: RoleState::Connecting,
                ..view
            };
        }
        if self.surface.is_pending() {
            let request_id = self.surface.pending_request();
            return RoleView {
                state: RoleState::WaitingForApproval,
                problem: Some(Problem::node_surface_pending(request_id)),
                request_id: request_id.map(str::to_owned),
                ..view
            };
        }
        view
    }

    fn commands_view(&self, world: &World<'_>) -> CommandsView {
        let declared = if self.record.wants(Role::Node) {
            world.commands.to_vec()
        } else {
            vec![]
        };
        let Some(row) = self.surface.row() else {
            return CommandsView {
                declared,
                ..CommandsView::default()
            };
        };
        let connected = self.node.settled().is_some() && row.connected;
        let usable = declared
            .iter()
            .filter(|command| connected && row.commands.contains(command))
            .cloned()
            .collect();
        CommandsView {
            declared,
            approved: row.commands.clone(),
            usable,
            confirmed: true,
        }
    }

    fn withheld(&self, commands: &CommandsView) -> Vec<String> {
        let Some(row) = self.surface.row().filter(|row| row.connected) else {
            return vec![];
        };
        let known = |command: &&String| {
            !commands.approved.contains(command) && !row.pending_declared_commands.contains(command)
        };
        commands.declared.iter().filter(known).cloned().collect()
    }
}

fn overall(operator: &RoleView, node: &RoleView, problems: &[Problem]) -> Overall {
    let roles = [operator, node];
    let severe = |severity| {
        let of_roles = roles.iter().filter_map(|role| role.problem.as_ref());
        of_roles
            .chain(problems)
            .any(|problem| problem.severity == severity)
    };
    let any = |state| roles.iter().any(|role| role.state == state);
    if severe(Severity::NeedsYou) || any(RoleState::Blocked) || any(RoleState::WaitingForApproval) {
        Overall::NeedsYou
    } else if severe(Severity::Trouble) {
        Overall::Trouble
    } else if any(RoleState::Connecting) || any(RoleState::Retrying) {
        Overall::Connecting
    } else if any(RoleState::Ready) {
        Overall::Ready
    } else {
        Overall::Offline
    }
}
