//! Node invokes: each gets exactly one answer, whatever the gateway repeats.

use crate::{
    effect::{Effect, InvokeAnswer},
    ids::Socket,
    input::CommandFailure,
};
use gateway_protocol::{DeviceId, node::InvokeRequest};
use std::collections::{BTreeMap, VecDeque};

/// One invoke on one socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvokeId {
    /// Where it came in; the answer goes the same way.
    pub socket: Socket,
    /// Its id on the wire.
    pub id: String,
}

/// The invokes of one node connection.
#[derive(Debug, Default)]
pub(crate) struct Invokes {
    running: BTreeMap<InvokeId, DeviceId>,
    seen: VecDeque<String>,
}

const MAX_RUNNING: usize = 16;
const MAX_SEEN: usize = 1024;

impl Invokes {
    /// A request came in; `offered` are the commands that this connection declared.
    pub(crate) fn requested(
        &mut self,
        socket: &Socket,
        request: InvokeRequest,
        offered: &[String],
    ) -> Vec<Effect> {
        // the gateway delivers again what it was not answered in time; a command must not run twice
        if self.seen.contains(&request.id) {
            return vec![];
        }
        if self.seen.len() == MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(request.id.clone());
        if !offered.contains(&request.command) {
            return vec![refuse(
                socket,
                &request,
                "COMMAND_NOT_OFFERED",
                "This computer does not offer the command.",
            )];
        }
        if self.running.len() >= MAX_RUNNING {
            return vec![refuse(
                socket,
                &request,
                "BUSY",
                "Too many commands run at once. Try again soon.",
            )];
        }
        let invoke = InvokeId {
            socket: socket.clone(),
            id: request.id.clone(),
        };
        self.running.insert(invoke.clone(), request.node_id.clone());
        vec![Effect::RunCommand(invoke, request)]
    }

    /// The command ended by itself.
    pub(crate) fn ran(
        &mut self,
        invoke: &InvokeId,
        result: Result<serde_json::Value, CommandFailure>,
    ) -> Vec<Effect> {
        let Some(node) = self.running.remove(invoke) else {
            return vec![];
        };
        let result = result.map_err(|failure| (failure.code, failure.message));
        vec![Effect::AnswerInvoke(
            invoke.socket.clone(),
            InvokeAnswer {
                id: invoke.id.clone(),
                node,
                result,
            },
        )]
    }

    /// The gateway gave up on one.
    pub(crate) fn cancelled(&mut self, socket: &Socket, id: &str) -> Vec<Effect> {
        let invoke = InvokeId {
            socket: socket.clone(),
            id: id.to_owned(),
        };
        match self.running.remove(&invoke) {
            Some(_) => vec![Effect::CancelCommand(invoke)],
            None => vec![],
        }
    }

    /// The connection is gone: nothing runs on for nobody.
    pub(crate) fn disconnected(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.running)
            .into_keys()
            .map(Effect::CancelCommand)
            .collect()
    }
}

fn refuse(socket: &Socket, request: &InvokeRequest, code: &str, message: &str) -> Effect {
    Effect::AnswerInvoke(
        socket.clone(),
        InvokeAnswer {
            id: request.id.clone(),
            node: request.node_id.clone(),
            result: Err((code.to_owned(), message.to_owned())),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GatewayId;
    use gateway_protocol::Role;

    #[test]
    fn a_repeated_request_runs_once() {
        let mut invokes = Invokes::default();
        assert!(matches!(
            invokes.requested(&socket(), request("1", "system.which"), &offered())[..],
            [Effect::RunCommand(..)]
        ));
        assert!(
            invokes
                .requested(&socket(), request("1", "system.which"), &offered())
                .is_empty()
        );
    }

    #[test]
    fn what_is_not_offered_is_refused_and_never_run() {
        let effects =
            Invokes::default().requested(&socket(), request("1", "system.run"), &offered());
        let [Effect::AnswerInvoke(_, answer)] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(
            answer.result.as_ref().expect_err("refused").0,
            "COMMAND_NOT_OFFERED"
        );
    }

    #[test]
    fn an_invoke_is_answered_once_and_not_after_a_cancel() {
        let mut invokes = Invokes::default();
        let id = |id: &str| InvokeId {
            socket: socket(),
            id: id.to_owned(),
        };
        invokes.requested(&socket(), request("1", "system.which"), &offered());
        invokes.requested(&socket(), request("2", "system.which"), &offered());
        assert_eq!(invokes.ran(&id("1"), Ok(serde_json::Value::Null)).len(), 1);
        assert!(
            invokes
                .ran(&id("1"), Ok(serde_json::Value::Null))
                .is_empty()
        );
        assert_eq!(invokes.cancelled(&socket(), "2").len(), 1);
        assert!(
            invokes
                .ran(&id("2"), Ok(serde_json::Value::Null))
                .is_empty()
        );
    }

    #[test]
    fn a_flood_is_refused_and_a_lost_connection_cancels_all() {
        let mut invokes = Invokes::default();
        for number in 0..MAX_RUNNING {
            invokes.requested(
                &socket(),
                request(&number.to_string(), "system.which"),
                &offered(),
            );
        }
        let effects = invokes.requested(&socket(), request("one more", "system.which"), &offered());
        assert!(
            matches!(&effects[..], [Effect::AnswerInvoke(_, answer)] if answer.result.is_err())
        );
        assert_eq!(invokes.disconnected().len(), MAX_RUNNING);
    }

    fn socket() -> Socket {
        Socket {
            gateway: GatewayId::new("g"),
            role: Role::Node,
            generation: 1,
        }
    }

    fn offered() -> Vec<String> {
        vec!["system.which".to_owned()]
    }

    fn request(id: &str, command: &str) -> InvokeRequest {
        InvokeRequest {
            id: id.to_owned(),
            node_id: DeviceId::new("d"),
            command: command.to_owned(),
            params_json: None,
            timeout_ms: None,
            idempotency_key: None,
        }
    }
}
