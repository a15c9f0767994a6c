//! The core with everything around it played by hand.

use companion_core::{
    About, App, Command, CommandId, Credential, Dial, Done, Effect, Input, Notification, Now,
    OpenFailure, Query, Registry, Socket, StoredCredentials, Timer, VaultTrouble,
    command::{Access, SetupText},
    effect::NewSecret,
    input::{QueryFailure, Welcome},
    snapshot::{SecretStoreKind, Snapshot},
    time::Timestamp,
};
use gateway_protocol::{DeviceId, DeviceToken, Event, GatewayError, IssuedToken, Role, Scopes};
use serde_json::{Value, json, value::RawValue};
use std::collections::VecDeque;

pub(crate) const LOOPBACK: &str = "ws://127.0.0.1:18789";
pub(crate) const REMOTE: &str = "wss://gateway.example";
/// When the codes of [`code`] run out.
pub(crate) const CODES_END: u64 = 1_795_000_600_000;
pub(crate) const COMMANDS: [&str; 2] = ["system.notify", "system.which"];

/// The core with everything around it played by hand.
pub(crate) struct Scenario {
    pub(crate) app: App,
    pub(crate) now: Now,
    pub(crate) commands: u64,
    pub(crate) registry: Registry,
    pub(crate) stored: StoredCredentials,
    pub(crate) store_fails: bool,
    /// Whether tokens are stored is told by the test itself.
    pub(crate) hold_tokens: bool,
    /// Answers of the store that are held back.
    pub(crate) held: Option<Vec<Input>>,
    pub(crate) inputs: VecDeque<Input>,
    pub(crate) dialled: VecDeque<Dial>,
    pub(crate) asked: VecDeque<Query>,
    pub(crate) closed: Vec<Socket>,
    /// Ended without our doing.
    pub(crate) ended: Vec<Socket>,
    pub(crate) forgotten: Vec<Credential>,
    pub(crate) notified: Vec<Notification>,
    pub(crate) timers: Vec<(Timer, u64)>,
    pub(crate) answered: Vec<(CommandId, Result<Done, companion_core::Problem>)>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) other: Vec<Effect>,
}

impl Scenario {
    pub(crate) fn start() -> Self {
        let mut it = Self::with(Registry::default());
        it.stored = StoredCredentials::default();
        it.opens_vault();
        it
    }

    pub(crate) fn paired(url: &str) -> Self {
        let mut it = Self::with(registry(url));
        it.opens_vault();
        it
    }

    pub(crate) fn connected(url: &str) -> Self {
        let mut it = Self::paired(url);
        let [node, operator] = it.dials_both();
        it.welcomes(&node, Scopes::none());
        it.welcomes(&operator, Scopes::limited_code());
        let asked = it.asks();
        it.answers(&operator, asked, &row("approved", &COMMANDS, None));
        it
    }

    pub(crate) fn with(registry: Registry) -> Self {
        let now = Now {
            wall: Timestamp(1_795_000_000_000),
            monotonic_ms: 5_000,
            random: 1 << 40,
        };
        let about = About {
            version: "0.1.0".to_owned(),
            pid: 1,
            secret_store: SecretStoreKind::Memory,
            node_commands: COMMANDS.map(str::to_owned).to_vec(),
            approve_local_node: true,
        };
        let (app, _) = App::new(about, registry.clone(), now);
        Self {
            app,
            now,
            commands: 0,
            registry,
            stored: stored(),
            store_fails: false,
            hold_tokens: false,
            held: None,
            inputs: VecDeque::new(),
            dialled: VecDeque::new(),
            asked: VecDeque::new(),
            closed: vec![],
            ended: vec![],
            forgotten: vec![],
            notified: vec![],
            timers: vec![],
            answered: vec![],
            sockets: vec![],
            other: vec![],
        }
    }

    pub(crate) fn opens_vault(&mut self) {
        let stored = self
            .registry
            .gateways
            .iter()
            .map(|record| (record.id.clone(), self.stored.clone()))
            .collect();
        self.tell(Input::VaultOpened(stored));
    }

    /// Opens the store with what this session put into it.
    pub(crate) fn reopens_vault(&mut self) {
        let stored = self
            .registry
            .gateways
            .iter()
            .map(|record| (record.id.clone(), StoredCredentials::default()))
            .collect();
        self.tell(Input::VaultOpened(stored));
    }

    pub(crate) fn tell(&mut self, input: Input) {
        if let Input::Opened(socket, _) = &input {
            self.dialled.retain(|dial| dial.socket != *socket);
        }
        if let Input::OpenFailed(socket, _) | Input::Closed(socket, _) = &input {
            self.dialled.retain(|dial| dial.socket != *socket);
            self.ended.push(socket.clone());
        }
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.now.random = self
                .now
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            for effect in self.app.handle(input, self.now) {
                self.perform(effect);
            }
        }
    }

    pub(crate) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::OpenSocket(dial) => {
                self.sockets.push(dial.socket.clone());
                self.dialled.push_back(dial);
            }
            Effect::CloseSocket(socket) => self.closed.push(socket),
            Effect::Ask(_, query) => self.asked.push_back(query),
            Effect::SaveGateway {
                gateway,
                registry,
                secret,
            } => {
                assert!(matches!(
                    secret,
                    NewSecret::Bootstrap(_) | NewSecret::Shared(_)
                ));
                self.registry = registry;
                let saved = Input::GatewaySaved(gateway, DeviceId::new("d"));
                match &mut self.held {
                    Some(held) => held.push(saved),
                    None => self.inputs.push_back(saved),
                }
            }
            Effect::SaveRegistry(registry) => {
                self.registry = registry;
                self.inputs.push_back(Input::RegistrySaved);
            }
            Effect::SaveDeviceTokens(..) if self.hold_tokens => {}
            Effect::SaveDeviceTokens(socket, _) => self.inputs.push_back(match self.store_fails {
                true => Input::TokensNotSaved(socket, VaultTrouble::Locked),
                false => Input::TokensSaved(socket),
            }),
            Effect::ForgetSecret(_, credential) => self.forgotten.push(credential),
            Effect::Notify(notification) => self.notified.push(notification),
            Effect::SetTimer(timer, at) => {
                self.timers.retain(|(other, _)| *other != timer);
                self.timers.push((timer, at));
            }
            Effect::Answer(id, answer) => self.answered.push((id, answer)),
            other @ (Effect::OpenVault
            | Effect::DeleteGateway(..)
            | Effect::RunCommand(..)
            | Effect::CancelCommand(_)
            | Effect::AnswerInvoke(..)
            | Effect::MintSetupCode
            | Effect::OpenWindow
            | Effect::Exit) => self.other.push(other),
        }
    }

    /// Sends a command whose answer comes later.
    pub(crate) fn hands_in(&mut self, command: Command) {
        self.commands += 1;
        self.tell(Input::Command(CommandId(self.commands), command));
    }

    pub(crate) fn sends(&mut self, command: Command) -> Result<Done, companion_core::Problem> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.tell(Input::Command(id, command));
        let place = self
            .answered
            .iter()
            .position(|(answered, _)| *answered == id)
            .expect("an answer");
        self.answered.remove(place).1
    }

    pub(crate) fn pastes(&mut self, url: &str, access: Access, approve_node: bool) {
        let answer = self.sends(Command::Pair {
            code: SetupText::new(code(url, 1)),
            access,
            approve_node,
        });
        assert!(matches!(answer, Ok(Done::Accepted { .. })), "{answer:?}");
    }

    pub(crate) fn dials(&mut self, role: Role, credential: Credential) -> Dial {
        let place = self
            .dialled
            .iter()
            .position(|dial| dial.socket.role == role);
        let dial = self
            .dialled
            .remove(place.expect("a dial in this role"))
            .expect("a dial");
        assert_eq!(dial.credential, credential);
        dial
    }

    pub(crate) fn dials_both(&mut self) -> [Dial; 2] {
        let node = self.dials(Role::Node, Credential::Device(Role::Node));
        [
            node,
            self.dials(Role::Operator, Credential::Device(Role::Operator)),
        ]
    }

    pub(crate) fn dials_nothing(&self) {
        assert!(self.dialled.is_empty(), "{:?}", self.dialled);
    }

    pub(crate) fn pairs_both_on_loopback(&mut self) -> Dial {
        let node = self.dials(Role::Node, Credential::Bootstrap);
        self.welcomes(&node, Scopes::none());
        let operator = self.dials(Role::Operator, Credential::Bootstrap);
        self.welcomes(&operator, Scopes::full_code());
        operator
    }

    pub(crate) fn welcomes(&mut self, dial: &Dial, scopes: Scopes) {
        self.tell(Input::Opened(
            dial.socket.clone(),
            welcome(dial.socket.role, scopes),
        ));
    }

    pub(crate) fn refuses(&mut self, dial: &Dial, details: Value) {
        self.tell(Input::OpenFailed(
            dial.socket.clone(),
            OpenFailure::Refused(error(details)),
        ));
    }

    pub(crate) fn asks(&mut self) -> Query {
        self.asked.pop_front().expect("a question")
    }

    pub(crate) fn asks_nothing(&self) {
        assert!(self.asked.is_empty(), "{:?}", self.asked);
    }

    pub(crate) fn answers(&mut self, dial: &Dial, query: Query, payload: &Value) {
        let payload = RawValue::from_string(payload.to_string()).expect("JSON");
        let result: Result<_, QueryFailure> = Ok(payload);
        self.tell(Input::Answered(dial.socket.clone(), query, result));
    }

    /// Fires the redial timer of this role; gives the milliseconds that it was set for.
    pub(crate) fn waits_for_redial(&mut self, role: Role) -> u64 {
        self.fires(|timer| matches!(timer, Timer::Redial(socket) if socket.role == role))
    }

    pub(crate) fn fires(&mut self, which: impl Fn(&Timer) -> bool) -> u64 {
        let place = self
            .timers
            .iter()
            .rposition(|(timer, _)| which(timer))
            .expect("a timer");
        let (timer, at) = self.timers.remove(place);
        let waited = at.saturating_sub(self.now.monotonic_ms);
        self.now.monotonic_ms += waited;
        self.now.wall = self.now.wall.plus(waited);
        self.tell(Input::TimerFired(timer));
        waited
    }

    pub(crate) fn current(&self, role: Role) -> Socket {
        self.sockets
            .iter()
            .rfind(|socket| socket.role == role)
            .expect("a socket")
            .clone()
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.app.snapshot(self.now)
    }
}

pub(crate) fn code(url: &str, number: u32) -> String {
    code_until(url, number, CODES_END)
}

pub(crate) fn code_until(url: &str, number: u32, until: u64) -> String {
    encode(&json!({"url": url, "bootstrapToken": format!("token-{number}"), "expiresAtMs": until}))
}

pub(crate) fn encode(code: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(code.to_string())
}

pub(crate) fn registry(url: &str) -> Registry {
    serde_json::from_value(json!({
        "gateways": [{"id": "gw-1", "name": "Home", "endpoint": url, "deviceId": "d", "roles": ["operator", "node"]}],
        "primary": "gw-1",
    }))
    .expect("registry")
}

pub(crate) fn stored() -> StoredCredentials {
    StoredCredentials {
        operator: Some(Scopes::limited_code()),
        node: true,
        shared: false,
        bootstrap: false,
        device: None,
    }
}

pub(crate) fn welcome(role: Role, scopes: Scopes) -> Welcome {
    let tokens = vec![IssuedToken {
        role,
        device_token: DeviceToken::new("t"),
        scopes: scopes.clone(),
    }];
    Welcome {
        version: "2026.9.6".to_owned(),
        scopes,
        tokens,
    }
}

pub(crate) fn row(state: &str, commands: &[&str], pending: Option<(&str, &[&str])>) -> Value {
    json!({
        "approvalState": state, "commands": commands, "connected": true,
        "pendingRequestId": pending.map(|(id, _)| id),
        "pendingDeclaredCommands": pending.map_or(&[][..], |(_, commands)| commands),
    })
}

pub(crate) fn error(details: Value) -> Box<GatewayError> {
    serde_json::from_value(json!({"code": "INVALID_REQUEST", "message": "m", "details": details}))
        .expect("error")
}

pub(crate) fn event(socket: &Socket, name: &str, payload: &Value) -> Input {
    let payload = RawValue::from_string(payload.to_string()).expect("JSON");
    Input::Event(
        socket.clone(),
        Event {
            name: name.to_owned(),
            seq: None,
            payload,
        },
    )
}
