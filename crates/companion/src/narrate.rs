//! What `run` says on the terminal: each change that a person would want to know, once.

use companion_core::{
    Snapshot,
    snapshot::{GatewayView, RoleState, RoleView},
    tray::word,
};

/// Remembers what was said.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    said: Vec<String>,
}

impl Narrator {
    /// The lines of this snapshot that were not in the one before.
    pub(crate) fn news(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let lines = lines(snapshot);
        let news = lines
            .iter()
            .filter(|line| !self.said.contains(line))
            .cloned()
            .collect();
        self.said = lines;
        news
    }
}

fn lines(snapshot: &Snapshot) -> Vec<String> {
    let local = snapshot
        .local_gateway
        .iter()
        .map(|local| format!("Local gateway: {}", local.detail));
    let problems = snapshot
        .problems
        .iter()
        .map(|problem| format!("{}. {}", problem.title, problem.remedy.text));
    let gateways = snapshot.gateways.iter().flat_map(gateway_lines);
    local.chain(problems).chain(gateways).collect()
}

fn gateway_lines(gateway: &GatewayView) -> Vec<String> {
    let name = &gateway.name;
    let mut lines = vec![format!("{name}: {}", word(gateway.overall))];
    for (role, view) in [
        ("operator", &gateway.operator),
        ("node", &gateway.node.role),
    ] {
        lines.extend(role_line(name, role, view));
    }
    lines.extend(
        gateway
            .problems
            .iter()
            .map(|problem| format!("{name}: {}. {}", problem.title, problem.remedy.text)),
    );
    if !gateway.node.commands.usable.is_empty() {
        lines.push(format!(
            "{name}: agents may use {}",
            gateway.node.commands.usable.join(", ")
        ));
    }
    lines
}

fn role_line(name: &str, role: &str, view: &RoleView) -> Option<String> {
    match (view.state, &view.problem) {
        (RoleState::Ready, None) => Some(format!("{name}: {role} connected")),
        (_, Some(problem)) => Some(format!(
            "{name}: {role}: {}. {}",
            problem.title, problem.remedy.text
        )),
        (
            RoleState::Off
            | RoleState::Connecting
            | RoleState::WaitingForApproval
            | RoleState::Retrying
            | RoleState::Blocked,
            None,
        ) => None,
    }
}
