//! Snapshots as text for people.

use companion_core::{
    Problem, ProblemCode, Snapshot, Timestamp,
    snapshot::{GatewayView, LocalGatewayState, RoleState, RoleView},
    tray::word,
};

/// The whole state.
pub(super) fn status(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut lines = vec![format!(
        "Claw Companion {}: {}",
        snapshot.version,
        word(snapshot.overall)
    )];
    if let Some(local) = &snapshot.local_gateway
        && local.state != LocalGatewayState::Ready
    {
        lines.push(format!("  local gateway: {}", local.detail));
    }
    lines.extend(problems(&snapshot.problems, "  "));
    for gateway in &snapshot.gateways {
        lines.push(String::new());
        lines.extend(gateway_lines(gateway, now));
    }
    if snapshot.gateways.is_empty() && snapshot.problems.is_empty() {
        lines.push("  Pair with a gateway: claw-companion pair -".to_owned());
    }
    lines.join("\n")
}

/// One line for each gateway.
pub(super) fn gateways(snapshot: &Snapshot) -> String {
    if snapshot.gateways.is_empty() {
        return "No gateway yet. Pair with one: claw-companion pair -".to_owned();
    }
    let width = |text: fn(&GatewayView) -> &str| {
        let widths = snapshot
            .gateways
            .iter()
            .map(|gateway| text(gateway).chars().count());
        widths.max().unwrap_or(0)
    };
    let name = width(|gateway| &gateway.name);
    let state = width(|gateway| word(gateway.overall));
    let line = |gateway: &GatewayView| {
        format!(
            "{} {:<name$}  {}  {:<state$}  {}",
            if gateway.primary { '*' } else { ' ' },
            gateway.name,
            gateway.id,
            word(gateway.overall),
            gateway.url,
        )
    };
    let lines: Vec<_> = snapshot.gateways.iter().map(line).collect();
    lines.join("\n")
}

/// Both roles in one line, while a pairing goes on. Tries are not told apart.
pub(super) fn roles(gateway: &GatewayView) -> String {
    let word = |role: &RoleView| match role.state == RoleState::Retrying {
        true => state(RoleState::Connecting),
        false => state(role.state),
    };
    format!(
        "{}: operator {}, node {}",
        gateway.name,
        word(&gateway.operator),
        word(&gateway.node.role)
    )
}

/// How a pairing ended.
pub(super) fn paired(gateway: &GatewayView) -> String {
    let mut lines = vec![format!("Connected with {} ({}).", gateway.name, gateway.id)];
    let of_roles = [&gateway.operator, &gateway.node.role];
    let told = of_roles
        .into_iter()
        .filter_map(|role| role.problem.as_ref());
    for problem in told.chain(&gateway.problems) {
        lines.extend(problem_lines(problem, ""));
    }
    lines.join("\n")
}

/// May agents use this computer's commands? `unknown` until an operator connection could look.
pub(super) fn node_surface(gateway: &GatewayView) -> &'static str {
    let problem = gateway.node.role.problem.as_ref();
    match problem.map(|problem| problem.code) {
        Some(ProblemCode::NodeSurfacePending) => "pending",
        Some(_) | None if gateway.node.commands.confirmed => "approved",
        Some(_) | None => "unknown",
    }
}

/// A time span in its largest fitting unit.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn gateway_lines(gateway: &GatewayView, now: Timestamp) -> Vec<String> {
    let marks: Vec<&str> = [
        (gateway.primary, "primary"),
        (gateway.local, "run by the companion"),
    ]
    .into_iter()
    .filter_map(|(is, mark)| is.then_some(mark))
    .collect();
    let marks = match marks.is_empty() {
        true => String::new(),
        false => format!(" ({})", marks.join(", ")),
    };
    let version = gateway
        .gateway_version
        .as_ref()
        .map_or(String::new(), |version| format!("  OpenClaw {version}"));
    let mut lines = vec![
        format!("{}{marks}: {}", gateway.name, word(gateway.overall)),
        format!("  {}  {}{version}", gateway.id, gateway.url),
        role_line("operator", &gateway.operator, now),
    ];
    lines.extend(role_problem(&gateway.operator));
    lines.push(role_line("node", &gateway.node.role, now));
    lines.extend(role_problem(&gateway.node.role));
    if !gateway.node.commands.usable.is_empty() {
        let commands = gateway.node.commands.usable.join(", ");
        lines.push(format!("            agents may use {commands}"));
    }
    lines.extend(problems(&gateway.problems, "  "));
    lines
}

fn role_line(name: &str, role: &RoleView, now: Timestamp) -> String {
    let time = match (role.state, role.next_attempt_at) {
        (RoleState::Off, _) => String::new(),
        (RoleState::Retrying, Some(next)) => format!(" in {}", span(now.ms_until(next))),
        (
            RoleState::Connecting
            | RoleState::Ready
            | RoleState::WaitingForApproval
            | RoleState::Retrying
            | RoleState::Blocked,
            _,
        ) => format!(" for {}", span(role.since.ms_until(now))),
    };
    format!("  {name:<8}  {}{time}", state(role.state))
}

fn role_problem(role: &RoleView) -> Vec<String> {
    problems(role.problem.as_slice(), "            ")
}

fn problems(problems: &[Problem], indent: &str) -> Vec<String> {
    problems
        .iter()
        .flat_map(|problem| problem_lines(problem, indent))
        .collect()
}

fn problem_lines(problem: &Problem, indent: &str) -> [String; 2] {
    [
        format!("{indent}! {}. {}", problem.title, problem.detail),
        format!("{indent}  {}", problem.remedy.text),
    ]
}

fn state(state: RoleState) -> &'static str {
    match state {
        RoleState::Off => "off",
        RoleState::Connecting => "connecting",
        RoleState::Ready => "ready",
        RoleState::WaitingForApproval => "waiting for approval",
        RoleState::Retrying => "trying again",
        RoleState::Blocked => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{gateway, snapshot};

    #[test]
    fn status_says_how_everything_stands_and_what_to_do() {
        let mut view = gateway(
            RoleState::Ready,
            None,
            RoleState::WaitingForApproval,
            Some(Problem::node_surface_pending(Some("r-1"))),
        );
        view.operator.since = Timestamp(1_000_000);
        view.node.role.since = Timestamp(1_290_000);
        let shown = status(&snapshot(1, vec![view]), Timestamp(1_300_000));
        assert_eq!(
            shown,
            "Claw Companion 1.2.3: needs you

home (primary): needs you
  gw-1  ws://127.0.0.1:18789/  OpenClaw 2026.9.6
  operator  ready for 5 min
  node      waiting for approval for 10 s
            ! Approve this computer's commands. The node is connected, but agents cannot use its commands until they are approved.
              On the gateway's computer run: openclaw nodes approve r-1"
        );
    }

    #[test]
    fn status_without_a_gateway_says_how_to_begin() {
        let shown = status(&snapshot(1, vec![]), Timestamp(0));
        assert!(shown.ends_with("claw-companion pair -"), "{shown}");
    }

    #[test]
    fn gateways_stand_in_columns_and_the_primary_is_marked() {
        let first = gateway(RoleState::Ready, None, RoleState::Ready, None);
        let mut second = first.clone();
        second.name = "a longer name".to_owned();
        second.primary = false;
        assert_eq!(
            gateways(&snapshot(1, vec![first, second])),
            "* home           gw-1  needs you  ws://127.0.0.1:18789/
  a longer name  gw-1  needs you  ws://127.0.0.1:18789/"
        );
    }

    #[test]
    fn the_node_surface_is_one_of_three_words() {
        let mut view = gateway(RoleState::Off, None, RoleState::Ready, None);
        assert_eq!(node_surface(&view), "unknown");
        view.node.commands.confirmed = true;
        assert_eq!(node_surface(&view), "approved");
        view.node.role.problem = Some(Problem::node_surface_pending(None));
        assert_eq!(node_surface(&view), "pending");
    }

    #[test]
    fn a_span_is_short() {
        for (ms, shown) in [
            (0, "0 s"),
            (1, "1 s"),
            (119_000, "119 s"),
            (600_000, "10 min"),
            (7_200_000, "2 h"),
            (259_200_000, "3 days"),
        ] {
            assert_eq!(span(ms), shown);
        }
    }
}
