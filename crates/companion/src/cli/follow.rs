//! Watching a gateway until its pairing is done, or somebody has to act.

use super::failure::Failure;
use companion_core::{
    GatewayId, Problem, ProblemCode, Snapshot,
    snapshot::{GatewayView, RoleState, RoleView},
};
use control_endpoint::Client;
use std::time::Duration;
use tokio::time::Instant;

/// What is waited for.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) gateway: GatewayId,
    /// Until everything is ready and approved; else only until every wanted role was let in.
    pub(super) ready: bool,
    pub(super) limit: Duration,
    /// The companion may approve its own node surface.
    pub(super) approve_node: bool,
}

/// How far a pairing is.
#[derive(Debug, PartialEq)]
enum Standing {
    /// On the way; the reason why it is slow, if there is one.
    Going(Option<Problem>),
    /// A person has to act, or the companion itself does if `soon`.
    Waiting { problem: Problem, soon: bool },
    /// Every wanted role is in. Agents wait for this approval, if there is one.
    In(Option<Problem>),
    /// It will not become better by itself.
    Failed(Problem),
}

/// Our own operator answers a request within one or two of its looks, 5 seconds apart.
const OWN_APPROVAL: Duration = Duration::from_secs(12);

/// Follows until the goal is reached. `news` hears the states of both roles as they change.
pub(super) async fn follow(
    client: &mut Client,
    goal: &Goal,
    mut news: impl FnMut(&GatewayView),
) -> Result<GatewayView, Failure> {
    let deadline = Instant::now() + goal.limit;
    let mut known = None;
    let mut seen = false;
    let mut slow = None;
    let mut soon_since = None;
    loop {
        let now = Instant::now();
        let own_ends = soon_since.map(|since: Instant| since + OWN_APPROVAL);
        let next = own_ends.filter(|_| !goal.ready).unwrap_or(deadline);
        let wait = deadline.min(next).saturating_duration_since(now);
        let snapshot = client.status(known, wait).await?;
        known = Some(snapshot.revision);
        let now = Instant::now();
        let view = find(&snapshot, &goal.gateway);
        match view {
            Some(view) => news(view),
            None if seen => return Err(Failure::gone()),
            None => {}
        }
        seen |= view.is_some();
        let standing = view.map_or(Standing::Going(None), |view| standing(view, &snapshot));
        if let Standing::Going(Some(reason)) = &standing {
            // the next try hides it for a moment
            slow = Some(reason.clone());
        }
        let own = match &standing {
            Standing::Waiting { soon, .. } => *soon,
            Standing::In(Some(_)) => goal.approve_node,
            Standing::Going(_) | Standing::In(None) | Standing::Failed(_) => false,
        };
        soon_since = own.then(|| soon_since.unwrap_or(now));
        let own_is_late = soon_since.is_none_or(|since| now >= since + OWN_APPROVAL);
        let over = now >= deadline;
        match (standing, view) {
            (Standing::Failed(problem), _) => return Err(problem.into()),
            (Standing::In(None), Some(view)) => return Ok(view.clone()),
            (Standing::In(Some(_)), Some(view)) if !goal.ready && own_is_late => {
                return Ok(view.clone());
            }
            (Standing::Waiting { problem, .. }, _) if over || (!goal.ready && own_is_late) => {
                return Err(Failure::waiting(problem));
            }
            (Standing::In(Some(problem)), _) if over => return Err(Failure::waiting(problem)),
            (Standing::Going(_), _) if over => {
                let seconds = goal.limit.as_secs();
                return Err(Failure::not_ready_in_time(seconds, slow.as_ref()));
            }
            (Standing::Going(_) | Standing::Waiting { .. } | Standing::In(_), _) => {}
        }
    }
}

fn find<'a>(snapshot: &'a Snapshot, id: &GatewayId) -> Option<&'a GatewayView> {
    snapshot.gateways.iter().find(|gateway| gateway.id == *id)
}

fn standing(gateway: &GatewayView, snapshot: &Snapshot) -> Standing {
    let over = |problem: &&Problem| {
        matches!(
            problem.code,
            ProblemCode::SetupCodeRefused
                | ProblemCode::SetupCodeExpired
                | ProblemCode::SetupCodeInvalid
        )
    };
    if let Some(problem) = gateway.problems.iter().find(over) {
        return Standing::Failed(problem.clone());
    }
    let roles = [&gateway.operator, &gateway.node.role];
    if let Some(blocked) = in_state(roles, RoleState::Blocked) {
        let reason = blocked.problem.as_ref().or(snapshot.problems.first());
        return match reason {
            Some(problem) => Standing::Failed(problem.clone()),
            None => Standing::Going(None),
        };
    }
    let surface = surface_problem(gateway);
    let waiting = in_state(roles, RoleState::WaitingForApproval);
    if let Some(problem) = waiting.and_then(|role| role.problem.as_ref())
        && surface.is_none()
    {
        // a working operator approves its own node
        let soon = gateway.operator.state == RoleState::Ready;
        return Standing::Waiting {
            problem: problem.clone(),
            soon,
        };
    }
    let slow = [RoleState::Retrying, RoleState::Connecting];
    if let Some(role) = slow.iter().find_map(|state| in_state(roles, *state)) {
        return Standing::Going(role.problem.clone());
    }
    match roles.iter().all(|role| role.state == RoleState::Off) {
        true => Standing::Going(None),
        false => Standing::In(surface.cloned()),
    }
}

fn in_state(roles: [&RoleView; 2], state: RoleState) -> Option<&RoleView> {
    roles.into_iter().find(|role| role.state == state)
}

/// The node was let in, but its commands wait.
fn surface_problem(gateway: &GatewayView) -> Option<&Problem> {
    let problem = gateway.node.role.problem.as_ref()?;
    (problem.code == ProblemCode::NodeSurfacePending).then_some(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{gateway, snapshot};
    use gateway_protocol::Role;

    #[test]
    fn every_wanted_role_counts_and_an_unwanted_one_does_not() {
        for (operator, node, expected) in [
            (RoleState::Ready, RoleState::Ready, Standing::In(None)),
            (RoleState::Off, RoleState::Ready, Standing::In(None)),
            (RoleState::Off, RoleState::Off, Standing::Going(None)),
            (
                RoleState::Connecting,
                RoleState::Ready,
                Standing::Going(None),
            ),
            (RoleState::Ready, RoleState::Retrying, Standing::Going(None)),
        ] {
            assert_eq!(of(operator, None, node, None), expected);
        }
    }

    #[test]
    fn commands_that_wait_for_approval_do_not_hold_the_pairing_up() {
        let pending = Problem::node_surface_pending(Some("r-1"));
        let waiting = RoleState::WaitingForApproval;
        assert_eq!(
            of(RoleState::Ready, None, waiting, Some(pending.clone())),
            Standing::In(Some(pending.clone()))
        );
        assert_eq!(
            of(RoleState::Connecting, None, waiting, Some(pending)),
            Standing::Going(None)
        );
    }

    #[test]
    fn a_node_that_our_operator_can_approve_is_waited_for() {
        let problem = Problem::approval_needed(Role::Node, Some("r-1"));
        let waiting = RoleState::WaitingForApproval;
        for (operator, soon) in [(RoleState::Ready, true), (RoleState::Off, false)] {
            let problem = problem.clone();
            let expected = Standing::Waiting {
                problem: problem.clone(),
                soon,
            };
            assert_eq!(of(operator, None, waiting, Some(problem)), expected);
        }
    }

    #[test]
    fn what_stopped_has_failed() {
        let problem = Problem::device_token_rejected(Role::Node);
        assert_eq!(
            of(
                RoleState::Ready,
                None,
                RoleState::Blocked,
                Some(problem.clone())
            ),
            Standing::Failed(problem)
        );
        let mut view = gateway(RoleState::Ready, None, RoleState::Ready, None);
        view.problems = vec![Problem::setup_code_refused()];
        assert_eq!(
            standing(&view, &snapshot(1, vec![])),
            Standing::Failed(Problem::setup_code_refused())
        );
        let stopped = gateway(RoleState::Blocked, None, RoleState::Blocked, None);
        let mut world = snapshot(1, vec![]);
        world.problems = vec![Problem::secret_store_locked()];
        assert_eq!(
            standing(&stopped, &world),
            Standing::Failed(Problem::secret_store_locked())
        );
    }

    fn of(
        operator: RoleState,
        why: Option<Problem>,
        node: RoleState,
        why_node: Option<Problem>,
    ) -> Standing {
        standing(
            &gateway(operator, why, node, why_node),
            &snapshot(1, vec![]),
        )
    }
}
