//! How the gateway sees our node's commands, as read over the operator connection.

use crate::{
    effect::{Effect, Query, Timer},
    ids::{GatewayId, Socket},
    time::Now,
};
use gateway_protocol::{
    DeviceId,
    node::{ApprovalState, NodeRow},
};

/// The last reading and what is being asked about it.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    row: Option<NodeRow>,
    asking: bool,
    /// Asked for again once the answer under way is in: something changed meanwhile.
    stale: bool,
    /// Requests that we tried to approve; each is tried once.
    tried: Vec<String>,
    /// The answer to such a try is under way.
    approving: bool,
    failures: u32,
}

const MAX_FAILURES: u32 = 6;

impl Surface {
    /// The node or the operator came or went: nothing that was read counts any more.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn row(&self) -> Option<&NodeRow> {
        self.row.as_ref()
    }

    /// The request that waits for approval, if the gateway said so.
    pub(crate) fn pending_request(&self) -> Option<&str> {
        self.row.as_ref()?.pending_request_id.as_deref()
    }

    /// The first reading, or our own approval, is under way.
    pub(crate) fn is_settling(&self) -> bool {
        self.approving || (self.asking && self.row.is_none())
    }

    /// Our approval was answered, well or not: what was read before no longer counts.
    pub(crate) fn approved(&mut self) {
        self.approving = false;
        self.row = None;
    }

    /// Nothing of what we offer may be used yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.row
            .as_ref()
            .is_some_and(|row| row.approval_state == ApprovalState::PendingApproval)
    }

    /// Reads it, or notes that it has to be read again.
    pub(crate) fn ask(&mut self, operator: &Socket, node: &DeviceId) -> Vec<Effect> {
        if self.asking {
            self.stale = true;
            return vec![];
        }
        self.asking = true;
        vec![Effect::Ask(
            operator.clone(),
            Query::DescribeNode(node.clone()),
        )]
    }

    /// The answer is in. `consent` is the sorted list of commands that the person said yes to; only a request for
    /// exactly these is approved, by the id that stood in the same answer.
    pub(crate) fn described(
        &mut self,
        row: NodeRow,
        operator: &Socket,
        node: &DeviceId,
        consent: &[String],
        may_approve: bool,
    ) -> Vec<Effect> {
        self.asking = false;
        self.failures = 0;
        let mut asked_for = row.pending_declared_commands.clone();
        asked_for.sort();
        let request = row
            .pending_request_id
            .clone()
            .filter(|_| may_approve && !consent.is_empty() && asked_for == consent);
        self.row = Some(row);
        if std::mem::take(&mut self.stale) {
            return self.ask(operator, node);
        }
        match request {
            Some(request) if !self.tried.contains(&request) => {
                self.tried.push(request.clone());
                self.approving = true;
                vec![Effect::Ask(operator.clone(), Query::ApproveNode(request))]
            }
            Some(_) | None => vec![],
        }
    }

    /// The gateway could not say; directly after a restart it sometimes cannot. Tried a few times.
    pub(crate) fn not_described(&mut self, gateway: &GatewayId, now: Now) -> Vec<Effect> {
        self.asking = false;
        self.failures += 1;
        if self.failures > MAX_FAILURES {
            return vec![];
        }
        let after = 500_u64 << self.failures.min(5);
        vec![Effect::SetTimer(
            Timer::Describe(gateway.clone()),
            now.monotonic_ms.saturating_add(after),
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_protocol::Role;

    #[test]
    fn approves_exactly_what_the_person_said_yes_to() {
        let consent = ["system.notify", "system.which"].map(str::to_owned);
        for (pending, may_approve, approves) in [
            (vec!["system.which", "system.notify"], true, true),
            (vec!["system.which", "system.notify"], false, false),
            (vec!["system.which"], true, false),
            (
                vec!["system.which", "system.notify", "system.run"],
                true,
                false,
            ),
            (vec![], true, false),
        ] {
            let mut surface = Surface::default();
            surface.ask(&socket(), &device());
            let effects =
                surface.described(row(&pending), &socket(), &device(), &consent, may_approve);
            assert_eq!(effects.len(), usize::from(approves), "{pending:?}");
        }
    }

    #[test]
    fn without_a_yes_nothing_is_approved() {
        let mut surface = Surface::default();
        assert!(
            surface
                .described(row(&[]), &socket(), &device(), &[], true)
                .is_empty()
        );
        assert!(
            surface
                .described(row(&["system.run"]), &socket(), &device(), &[], true)
                .is_empty()
        );
    }

    #[test]
    fn a_request_is_approved_once_even_if_the_gateway_keeps_it() {
        let consent = ["system.which".to_owned()];
        let mut surface = Surface::default();
        assert_eq!(
            surface
                .described(row(&["system.which"]), &socket(), &device(), &consent, true)
                .len(),
            1
        );
        assert!(
            surface
                .described(row(&["system.which"]), &socket(), &device(), &consent, true)
                .is_empty()
        );
    }

    #[test]
    fn a_change_during_the_question_asks_again_before_it_decides() {
        let consent = ["system.which".to_owned()];
        let mut surface = Surface::default();
        surface.ask(&socket(), &device());
        assert!(surface.ask(&socket(), &device()).is_empty());
        let effects =
            surface.described(row(&["system.which"]), &socket(), &device(), &consent, true);
        assert!(
            matches!(&effects[..], [Effect::Ask(_, Query::DescribeNode(_))]),
            "{effects:?}"
        );
    }

    fn row(pending: &[&str]) -> NodeRow {
        NodeRow {
            approval_state: ApprovalState::PendingApproval,
            pending_request_id: Some("r".to_owned()),
            pending_declared_commands: pending.iter().map(|&command| command.to_owned()).collect(),
            ..NodeRow::default()
        }
    }

    fn socket() -> Socket {
        Socket {
            gateway: GatewayId::new("g"),
            role: Role::Operator,
            generation: 1,
        }
    }

    fn device() -> DeviceId {
        DeviceId::new("d")
    }
}
