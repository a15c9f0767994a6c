//! One task owns the core: it takes inputs, performs effects, publishes snapshots.

use crate::{
    companion::{Asked, Companion},
    desktop::Desktop,
    keeper::{Job, Keeper},
    local_gateway::{LocalGateway, Supervisor},
    platform,
    sockets::Sockets,
    timers::Timers,
};
use companion_core::{
    About, App, CommandId, Dial, Done, Effect, Input, Now, Problem, Registry, Snapshot, Socket,
    Timestamp,
    input::{CommandFailure, Welcome},
};
use companion_store::{RegistryFile, Secrets};
use gateway_client::{Limits, Link, SeenNonces};
use gateway_protocol::{ClientId, ClientInfo, ClientMode, Connect, Role};
use node_commands::Notifier;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

/// What the runtime is started with.
pub struct Config {
    /// Who we are.
    pub about: About,
    /// What was stored.
    pub registry: Registry,
    /// Where the registry is stored.
    pub registry_file: RegistryFile,
    /// Where secrets are stored.
    pub secrets: Secrets,
    /// Names this installation among others of the same host.
    pub installation: String,
    /// Files that could not be read and were kept aside.
    pub unreadable: Vec<String>,
    /// The companion's own gateway, if it is to run one.
    pub local_gateway: Option<LocalGateway>,
    /// The person's desktop.
    pub desktop: Arc<dyn Desktop>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

/// What reaches the loop besides commands.
#[derive(Debug)]
pub(crate) enum Message {
    Input(Input),
    /// An opened socket comes with its link, which is no business of the core.
    Opened(Socket, Link, Welcome),
}

/// Starts the loop. The task ends after [`companion_core::Command::Quit`], when sockets are closed and the local
/// gateway has stopped.
pub fn start(config: Config) -> (Companion, JoinHandle<()>) {
    let start = Instant::now();
    let (messages, inbox) = mpsc::channel(256);
    let (commands, asked) = mpsc::channel(32);
    let ids = config
        .registry
        .gateways
        .iter()
        .map(|record| record.id.clone())
        .collect();
    let (mut app, effects) = App::new(config.about.clone(), config.registry, now(start));
    let first = app
        .publish(now(start))
        .unwrap_or_else(|| Arc::new(app.snapshot(now(start))));
    let (publish, snapshots) = watch::channel(first);
    let keeper = Keeper::start(config.secrets, config.registry_file, messages.clone());
    let supervisor = config
        .local_gateway
        .map(|local| Supervisor::start(local, messages.clone()));
    let runtime = Runtime {
        app,
        start,
        known: ids,
        client: ThisClient::new(&config.about.version, &config.installation),
        keeper,
        sockets: Sockets::new(messages),
        timers: Timers::new(start),
        nonces: SeenNonces::new(),
        supervisor,
        desktop: config.desktop,
        waiting: BTreeMap::new(),
        next_command: 0,
        publish,
        exiting: false,
    };
    let task = tokio::spawn(runtime.run(effects, config.unreadable, inbox, asked));
    (Companion::new(commands, snapshots), task)
}

struct Runtime {
    app: App,
    start: Instant,
    /// Gateways whose secrets are read when the store opens.
    known: Vec<companion_core::GatewayId>,
    client: ThisClient,
    keeper: Keeper,
    sockets: Sockets,
    timers: Timers,
    nonces: SeenNonces,
    supervisor: Option<Supervisor>,
    desktop: Arc<dyn Desktop>,
    waiting: BTreeMap<CommandId, oneshot::Sender<Result<Done, Problem>>>,
    next_command: u64,
    publish: watch::Sender<Arc<Snapshot>>,
    exiting: bool,
}

impl Runtime {
    async fn run(
        mut self,
        effects: Vec<Effect>,
        unreadable: Vec<String>,
        mut inbox: mpsc::Receiver<Message>,
        mut asked: mpsc::Receiver<Asked>,
    ) {
        self.perform(effects);
        for file in unreadable {
            self.take(Input::StateUnreadable(file));
        }
        while !self.exiting {
            tokio::select! {
                Some((command, answer)) = asked.recv() => {
                    self.next_command += 1;
                    let id = CommandId(self.next_command);
                    self.waiting.insert(id, answer);
                    self.take(Input::Command(id, command));
                }
                Some(message) = inbox.recv() => self.receive(message),
                timer = self.timers.next() => self.take(Input::TimerFired(timer)),
                else => break,
            }
        }
        // no further command is accepted from here on
        drop(asked);
        drop(inbox);
        let goodbye = self.sockets.finish();
        let stop = async {
            if let Some(supervisor) = self.supervisor {
                supervisor.stop().await;
            }
        };
        tokio::join!(goodbye, stop, self.keeper.finish());
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Opened(socket, link, welcome) => {
                self.sockets.opened(&socket, link);
                self.take(Input::Opened(socket, welcome));
            }
            Message::Input(input) => {
                if let Input::Closed(socket, _) | Input::OpenFailed(socket, _) = &input {
                    self.sockets.ended(socket);
                }
                if let Input::CommandRan(invoke, _) = &input {
                    self.sockets.ran(invoke);
                }
                self.take(input);
            }
        }
    }

    fn take(&mut self, input: Input) {
        let now = now(self.start);
        let effects = self.app.handle(input, now);
        self.perform(effects);
        if let Some(snapshot) = self.app.publish(now) {
            self.publish.send_replace(snapshot);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::OpenSocket(dial) => {
                    let socket = dial.socket.clone();
                    let dial = self.dial(dial);
                    self.sockets.open(socket, dial);
                }
                Effect::CloseSocket(socket) => self.sockets.close(&socket),
                Effect::Ask(socket, query) => self.sockets.ask(socket, query),
                Effect::OpenVault => self.keeper.give(Job::Open(self.known.clone())),
                Effect::SaveGateway {
                    gateway,
                    registry,
                    secret,
                } => {
                    self.know(&registry);
                    self.keeper.give(Job::SaveGateway {
                        gateway,
                        registry,
                        secret,
                    });
                }
                Effect::SaveRegistry(registry) => self.keeper.give(Job::SaveRegistry(registry)),
                Effect::SaveDeviceTokens(socket, tokens) => {
                    self.keeper.give(Job::SaveDeviceTokens(socket, tokens));
                }
                Effect::ForgetSecret(gateway, credential) => {
                    self.keeper.give(Job::Forget(gateway, credential))
                }
                Effect::DeleteGateway(gateway, registry) => {
                    self.know(&registry);
                    self.keeper.give(Job::Delete(gateway, registry));
                }
                Effect::RunCommand(invoke, request) => {
                    let notifier: Arc<dyn Notifier> = Arc::<dyn Desktop>::clone(&self.desktop);
                    self.sockets.run(invoke, async move {
                        node_commands::run(
                            &request.command,
                            request.params_json.as_deref(),
                            &notifier,
                        )
                        .await
                        .map_err(|error| CommandFailure {
                            code: error.code.to_owned(),
                            message: error.message,
                        })
                    });
                }
                Effect::CancelCommand(invoke) => self.sockets.cancel(&invoke),
                Effect::AnswerInvoke(socket, answer) => self.sockets.answer_invoke(&socket, answer),
                Effect::SetTimer(timer, at_ms) => self.timers.set(timer, at_ms),
                Effect::Notify(notification) => {
                    let desktop = Arc::clone(&self.desktop);
                    spawn_blocking(move || desktop.tell(&notification));
                }
                Effect::Answer(id, result) => {
                    if let Some(answer) = self.waiting.remove(&id) {
                        // whoever asked may have gone
                        let _ = answer.send(result);
                    }
                }
                Effect::MintSetupCode => {
                    if let Some(supervisor) = &self.supervisor {
                        supervisor.mint();
                    }
                }
                Effect::OpenWindow => {
                    let desktop = Arc::clone(&self.desktop);
                    spawn_blocking(move || desktop.open_window());
                }
                Effect::Exit => self.exiting = true,
            }
        }
    }

    fn know(&mut self, registry: &Registry) {
        self.known = registry
            .gateways
            .iter()
            .map(|record| record.id.clone())
            .collect();
    }

    fn dial(&self, dial: Dial) -> Option<gateway_client::Dial> {
        let role = dial.socket.role;
        let (identity, auth) = self
            .keeper
            .credential(&dial.socket.gateway, dial.credential)?;
        Some(gateway_client::Dial {
            limits: Limits::for_host(dial.endpoint.host_class()),
            endpoint: dial.endpoint,
            pin: dial.pin,
            identity,
            connect: Connect {
                client: self.client.info(role),
                role,
                scopes: dial.scopes,
                caps: caps(role, &dial.commands),
                commands: dial.commands,
                auth,
                user_agent: Some(format!("claw-companion/{}", self.client.version)),
            },
            signature: dial.signature,
            nonces: self.nonces.clone(),
        })
    }
}

/// What this program says about itself, the same at every dial: the gateway pins parts of it.
struct ThisClient {
    version: String,
    display_name: String,
    installation: String,
}

impl ThisClient {
    fn new(version: &str, installation: &str) -> Self {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let host = host
            .split('.')
            .next()
            .filter(|host| !host.is_empty())
            .unwrap_or("computer")
            .to_owned();
        Self {
            version: version.to_owned(),
            display_name: format!("{host} ({installation})"),
            installation: installation.to_owned(),
        }
    }

    fn info(&self, role: Role) -> ClientInfo {
        let (id, mode) = match role {
            Role::Operator => (platform::OPERATOR, ClientMode::Ui),
            Role::Node => (ClientId::NodeHost, ClientMode::Node),
        };
        ClientInfo {
            id,
            mode,
            version: self.version.clone(),
            platform: platform::PLATFORM.to_owned(),
            device_family: platform::FAMILY.to_owned(),
            display_name: Some(self.display_name.clone()),
            instance_id: Some(self.installation.clone()),
        }
    }
}

/// Operator: the events we want. Node: the categories of what it offers.
fn caps(role: Role, commands: &[String]) -> Vec<String> {
    match role {
        Role::Operator => ["tool-events", "approvals"].map(str::to_owned).to_vec(),
        Role::Node => {
            let offered = node_commands::commands()
                .iter()
                .filter(|known| commands.iter().any(|name| name == known.name));
            let mut caps: Vec<_> = offered.map(|known| known.capability.to_owned()).collect();
            caps.dedup();
            caps
        }
    }
}

fn now(start: Instant) -> Now {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Now {
        wall: Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)),
        monotonic_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        // only spreads delays and names records; without a source of chance the clock will do
        random: getrandom::u64().unwrap_or_else(|_| u64::from(since_1970.subsec_nanos())),
    }
}
