//! Open sockets and dials under way, each with a task of its own that turns what it hears into inputs.

use crate::{runtime::Message, translate};
use companion_core::{
    App, Input, InvokeId, OpenFailure, Query, Socket, effect::InvokeAnswer, input::Welcome,
};
use gateway_client::{Dial, Incident, Link};
use gateway_protocol::node::InvokeResult;
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

#[derive(Debug)]
pub(crate) struct Sockets {
    messages: mpsc::Sender<Message>,
    open: BTreeMap<Socket, Open>,
    commands: BTreeMap<InvokeId, AbortHandle>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Open {
    task: AbortHandle,
    /// There after hello.
    link: Option<Link>,
}

const FAREWELL: Duration = Duration::from_secs(1);

impl Sockets {
    pub(crate) fn new(messages: mpsc::Sender<Message>) -> Self {
        Self {
            messages,
            open: BTreeMap::new(),
            commands: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Dials; `None` when the chosen credential is not there.
    pub(crate) fn open(&mut self, socket: Socket, dial: Option<Dial>) {
        self.sweep();
        let task = self
            .tasks
            .spawn(follow(socket.clone(), dial, self.messages.clone()));
        self.open.insert(socket, Open { task, link: None });
    }

    /// The dial ended in hello.
    pub(crate) fn opened(&mut self, socket: &Socket, link: Link) {
        match self.open.get_mut(socket) {
            Some(open) => open.link = Some(link),
            // it was closed while the message was under way
            None => link.close(),
        }
    }

    pub(crate) fn close(&mut self, socket: &Socket) {
        let Some(open) = self.open.remove(socket) else {
            return;
        };
        match open.link {
            // its task ends with the socket
            Some(link) => link.close(),
            None => open.task.abort(),
        }
    }

    /// The socket ended by itself.
    pub(crate) fn ended(&mut self, socket: &Socket) {
        self.open.remove(socket);
    }

    pub(crate) fn ask(&mut self, socket: Socket, query: Query) {
        let Some(link) = self.link(&socket) else {
            return;
        };
        self.sweep();
        let messages = self.messages.clone();
        self.tasks.spawn(async move {
            let result = link
                .request(query.method(), query.params())
                .await
                .map_err(translate::query_failure);
            send(&messages, Input::Answered(socket, query, result)).await;
        });
    }

    pub(crate) fn answer_invoke(&mut self, socket: &Socket, answer: InvokeAnswer) {
        let Some(link) = self.link(socket) else {
            return;
        };
        self.sweep();
        self.tasks.spawn(async move {
            let result = match &answer.result {
                Ok(payload) => InvokeResult::done(&answer.id, &answer.node, payload),
                Err((code, message)) => {
                    InvokeResult::failed(&answer.id, &answer.node, code, message)
                }
            };
            if let Err(error) = link.request("node.invoke.result", result).await {
                tracing::debug!(%error, "an invoke's result did not arrive");
            }
        });
    }

    /// Runs a node command; its result comes as an input.
    pub(crate) fn run(
        &mut self,
        invoke: InvokeId,
        command: impl Future<Output = Result<serde_json::Value, companion_core::input::CommandFailure>>
        + Send
        + 'static,
    ) {
        self.sweep();
        let messages = self.messages.clone();
        let id = invoke.clone();
        let task = self.tasks.spawn(async move {
            let result = command.await;
            send(&messages, Input::CommandRan(id, result)).await;
        });
        self.commands.insert(invoke, task);
    }

    pub(crate) fn ran(&mut self, invoke: &InvokeId) {
        self.commands.remove(invoke);
    }

    pub(crate) fn cancel(&mut self, invoke: &InvokeId) {
        if let Some(task) = self.commands.remove(invoke) {
            task.abort();
        }
    }

    /// Waits until every closed socket has said goodbye, a second at most.
    pub(crate) async fn finish(mut self) {
        drop(self.messages);
        for socket in std::mem::take(&mut self.open).into_values() {
            socket.task.abort();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::debug!("a socket did not close in time");
        }
    }

    fn link(&self, socket: &Socket) -> Option<Link> {
        self.open.get(socket)?.link.clone()
    }

    /// Drops what finished tasks leave in the set.
    fn sweep(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

async fn follow(socket: Socket, dial: Option<Dial>, messages: mpsc::Sender<Message>) {
    let Some(dial) = dial else {
        send(
            &messages,
            Input::OpenFailed(socket, OpenFailure::CredentialGone),
        )
        .await;
        return;
    };
    let connected = match gateway_client::connect(dial).await {
        Ok(connected) => connected,
        Err(error) => {
            let reason = translate::reason(&error);
            tracing::info!(gateway = %socket.gateway, role = %socket.role, reason, "no connection");
            send(
                &messages,
                Input::OpenFailed(socket, translate::open_failure(error)),
            )
            .await;
            return;
        }
    };
    let welcome = Welcome {
        version: connected.hello.server.version.clone(),
        scopes: connected.hello.auth.scopes.clone(),
        tokens: connected.hello.issued_tokens(socket.role),
    };
    tracing::info!(gateway = %socket.gateway, role = %socket.role, "connected");
    let opened = Message::Opened(socket.clone(), connected.link, welcome);
    if messages.send(opened).await.is_err() {
        return;
    }
    let mut incoming = connected.incoming;
    while let Some(incident) = incoming.next().await {
        match incident {
            Incident::Event(event) if App::follows(&event.name) => {
                send(&messages, Input::Event(socket.clone(), event)).await;
            }
            Incident::Event(_) => {}
            Incident::Gap { expected, got } => {
                tracing::debug!(gateway = %socket.gateway, role = %socket.role, expected, got, "events are missing");
            }
            Incident::Closed(closed) => {
                tracing::info!(gateway = %socket.gateway, role = %socket.role, code = closed.code, cause = ?closed.cause, "connection ended");
                send(
                    &messages,
                    Input::Closed(socket.clone(), translate::ended(&closed)),
                )
                .await;
            }
        }
    }
}

/// Once the loop has ended nobody listens, and nothing is lost by it.
async fn send(messages: &mpsc::Sender<Message>, input: Input) {
    let _ = messages.send(Message::Input(input)).await;
}
