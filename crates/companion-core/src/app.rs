//! The whole state, and the one door through which it changes. It only routes.

mod local_gateway;
mod pairing;

use self::local_gateway::MAX_MINTS;
use crate::{
    command::{Command, Done},
    effect::{Effect, Timer},
    gateway::{Changes, Gateway},
    ids::{CommandId, GatewayId, Socket},
    input::{Input, StoredCredentials, VaultTrouble},
    problem::{Problem, Severity},
    record::{Origin, Registry},
    snapshot::{
        LocalGatewayState, LocalGatewayView, Overall, SecretStoreKind, SecretStoreView, Snapshot,
    },
    time::Now,
};
use gateway_protocol::Role;
use std::{collections::BTreeMap, sync::Arc};

/// What never changes while the process runs.
#[derive(Debug, Clone)]
pub struct About {
    /// The companion's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Where secrets are kept.
    pub secret_store: SecretStoreKind,
    /// The node commands that this computer offers, sorted.
    pub node_commands: Vec<String>,
    /// The person's yes to them for the companion's own gateway.
    pub approve_local_node: bool,
}

/// Every decision of the companion. Owned by one task.
#[derive(Debug)]
pub struct App {
    about: About,
    gateways: Vec<Gateway>,
    primary: Option<GatewayId>,
    vault: Vault,
    local: Option<LocalGatewayView>,
    /// Damaged files that were kept aside.
    unreadable: Vec<String>,
    registry_saved: bool,
    /// An attempt to open the secret store is under way.
    vault_asked: bool,
    /// A setup code of the companion's own gateway is being made.
    minting: bool,
    /// How often one may still be made before something else has to change.
    mints_left: u8,
    /// Pairings that were asked for before the secret store had answered for the first time.
    postponed: Vec<(CommandId, Command)>,
    /// Commands that are answered once their gateway is stored.
    asked: BTreeMap<GatewayId, CommandId>,
    generation: u64,
    quitting: bool,
    revision: u64,
    published: Option<Arc<Snapshot>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vault {
    Opening,
    Open,
    Failed(VaultTrouble),
}

/// What a gateway has to know of everything around it.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) now: Now,
    pub(crate) vault_open: bool,
    pub(crate) local_ready: bool,
    pub(crate) commands: &'a [String],
    generation: &'a mut u64,
}

impl World<'_> {
    pub(crate) fn next_generation(&mut self) -> u64 {
        *self.generation += 1;
        *self.generation
    }
}

const VAULT_AGAIN_MS: u64 = 15_000;
const REGISTRY_AGAIN_MS: u64 = 30_000;

impl App {
    /// Starts with what was stored. Nothing is dialled before the secret store is open.
    pub fn new(about: About, registry: Registry, now: Now) -> (Self, Vec<Effect>) {
        let mut app = Self {
            about,
            gateways: vec![],
            primary: registry.primary,
            vault: Vault::Opening,
            local: None,
            unreadable: vec![],
            registry_saved: true,
            vault_asked: true,
            minting: false,
            mints_left: MAX_MINTS,
            postponed: vec![],
            asked: BTreeMap::new(),
            generation: 0,
            quitting: false,
            revision: 0,
            published: None,
        };
        for record in registry.gateways {
            let world = app.parts(now).1;
            let gateway = Gateway::new(record, StoredCredentials::default(), &world);
            app.gateways.push(gateway);
        }
        let mut effects = vec![Effect::OpenVault];
        if app.about.approve_local_node {
            effects.extend(app.consent_for_own_gateway());
        }
        (app, effects)
    }

    /// Does the core react to this event of a gateway? All others need not be handed in.
    pub fn follows(event: &str) -> bool {
        matches!(
            event,
            "node.invoke.request"
                | "node.invoke.cancel"
                | "node.pair.requested"
                | "node.pair.resolved"
        )
    }

    /// Takes what happened, answers with what to do. Total: no input is refused, none panics.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut effects = self.route(input, now);
        if !self.quitting {
            let (gateways, mut world) = self.parts(now);
            let mut record = false;
            for gateway in gateways {
                let changes = gateway.settle(&mut world);
                effects.extend(changes.effects);
                record |= changes.record;
            }
            if record {
                effects.push(Effect::SaveRegistry(self.registry()));
            }
            effects.extend(self.mint());
        }
        effects
    }

    fn route(&mut self, input: Input, now: Now) -> Vec<Effect> {
        match input {
            Input::Command(id, command) => self.command(id, command, now),
            Input::VaultOpened(stored) => self.vault_opened(stored, now),
            Input::VaultFailed(trouble) => {
                self.vault_asked = false;
                self.vault = Vault::Failed(trouble);
                let again = now.monotonic_ms.saturating_add(VAULT_AGAIN_MS);
                let mut effects = self.catch_up(now);
                effects.push(Effect::SetTimer(Timer::OpenVault, again));
                effects
            }
            Input::StateUnreadable(file) => {
                self.unreadable.push(file);
                vec![]
            }
            Input::GatewaySaved(id, device) => {
                if let Some(gateway) = self.gateways.iter_mut().find(|gateway| *gateway.id() == id)
                {
                    gateway.saved(device);
                }
                self.registry_saved = true;
                self.answer(
                    &id,
                    Ok(Done::Accepted {
                        gateway: id.clone(),
                    }),
                )
            }
            Input::GatewayNotSaved(id, trouble) => self.gateway_not_saved(&id, trouble, now),
            Input::RegistrySaved => {
                self.registry_saved = true;
                vec![]
            }
            Input::RegistryNotSaved => {
                self.registry_saved = false;
                let again = now.monotonic_ms.saturating_add(REGISTRY_AGAIN_MS);
                vec![Effect::SetTimer(Timer::SaveRegistry, again)]
            }
            Input::TokensSaved(socket) => self.of(&socket.gateway, now, |gateway, world| {
                gateway.tokens_saved(&socket, world)
            }),
            Input::TokensNotSaved(socket, _) => self.at(&socket, now, |gateway, world| {
                plain(gateway.tokens_not_saved(socket.role, world))
            }),
            Input::Opened(socket, welcome) => {
                let stale = !self.gateways.iter().any(|gateway| gateway.owns(&socket));
                match stale {
                    // nobody waits for it any more; it must not stay open unseen
                    true => vec![Effect::CloseSocket(socket)],
                    false => self.at(&socket, now, |gateway, world| {
                        gateway.opened(socket.role, welcome, world)
                    }),
                }
            }
            Input::OpenFailed(socket, failure) => self.at(&socket, now, |gateway, world| {
                gateway.failed(socket.role, &failure, world)
            }),
            Input::Event(socket, event) => self.at(&socket, now, |gateway, _| {
                plain(gateway.event(&socket, &event))
            }),
            Input::Closed(socket, ended) => self.at(&socket, now, |gateway, world| {
                plain(gateway.closed(socket.role, &ended, world))
            }),
            Input::Answered(socket, query, result) => self.at(&socket, now, |gateway, world| {
                plain(gateway.answered(&query, result, world))
            }),
            Input::CommandRan(invoke, result) => {
                let socket = invoke.socket.clone();
                self.at(&socket, now, |gateway, _| {
                    plain(gateway.ran(&invoke, result))
                })
            }
            Input::TimerFired(timer) => self.timer(timer, now),
            Input::LocalGateway(report) => self.local_gateway(report, now),
        }
    }

    fn timer(&mut self, timer: Timer, now: Now) -> Vec<Effect> {
        match timer {
            Timer::Redial(socket) => self.at(&socket, now, |gateway, world| {
                gateway.redial_due(socket.role, world);
                Changes::default()
            }),
            Timer::SaveTokens(socket) => self.at(&socket, now, |gateway, _| {
                plain(gateway.save_again(socket.role))
            }),
            Timer::Describe(id) => {
                match self.gateways.iter_mut().find(|gateway| *gateway.id() == id) {
                    Some(gateway) => gateway.ask_surface(),
                    None => vec![],
                }
            }
            Timer::OpenVault => self.open_vault().into_iter().collect(),
            Timer::SaveRegistry if self.registry_saved => vec![],
            Timer::SaveRegistry => vec![Effect::SaveRegistry(self.registry())],
        }
    }

    fn command(&mut self, id: CommandId, command: Command, now: Now) -> Vec<Effect> {
        if self.quitting {
            return vec![Effect::Answer(id, Err(Problem::quitting()))];
        }
        if self.vault == Vault::Opening
            && matches!(command, Command::Pair { .. } | Command::Connect { .. })
        {
            self.postponed.push((id, command));
            return vec![];
        }
        let result = match command {
            Command::Pair {
                code,
                access,
                approve_node,
            } => {
                return self.pair(Some(id), &code, access, approve_node, Origin::Paired, now);
            }
            Command::Connect {
                url,
                token,
                approve_node,
            } => return self.connect(id, &url, token, approve_node, now),
            Command::Forget { gateway } => self.forget(&gateway, now),
            Command::Reconnect { gateway, role } => self.reconnect(gateway.as_deref(), role, now),
            Command::OpenWindow => Ok(vec![Effect::OpenWindow]),
            Command::Quit => Ok(self.quit(now)),
        };
        match result {
            Ok(mut effects) => {
                effects.insert(0, Effect::Answer(id, Ok(Done::Done)));
                effects
            }
            Err(problem) => vec![Effect::Answer(id, Err(problem))],
        }
    }

    fn forget(&mut self, name: &str, now: Now) -> Result<Vec<Effect>, Problem> {
        let index = self.find(name).ok_or_else(Problem::unknown_gateway)?;
        let mut gateway = self.gateways.remove(index);
        let mut effects = gateway.shut(&self.parts(now).1);
        let id = gateway.id().clone();
        self.primary = self
            .primary
            .take()
            .filter(|primary| *primary != id)
            .or_else(|| self.first());
        effects.extend(self.answer(&id, Err(Problem::unknown_gateway())));
        effects.push(Effect::DeleteGateway(id, self.registry()));
        Ok(effects)
    }

    fn reconnect(
        &mut self,
        name: Option<&str>,
        role: Option<Role>,
        now: Now,
    ) -> Result<Vec<Effect>, Problem> {
        let only = match name {
            Some(name) => Some(self.find(name).ok_or_else(Problem::unknown_gateway)?),
            None => None,
        };
        let mut effects = vec![];
        effects.extend(self.open_vault());
        let (gateways, world) = self.parts(now);
        for (index, gateway) in gateways.iter_mut().enumerate() {
            if only.is_none_or(|only| only == index) {
                effects.extend(gateway.reset(role, &world));
            }
        }
        Ok(effects)
    }

    fn quit(&mut self, now: Now) -> Vec<Effect> {
        self.quitting = true;
        let mut effects = vec![];
        let asked = std::mem::take(&mut self.asked).into_values();
        let postponed = std::mem::take(&mut self.postponed)
            .into_iter()
            .map(|(id, _)| id);
        effects.extend(
            asked
                .chain(postponed)
                .map(|id| Effect::Answer(id, Err(Problem::quitting()))),
        );
        let (gateways, world) = self.parts(now);
        for gateway in gateways {
            effects.extend(gateway.shut(&world));
        }
        effects.push(Effect::Exit);
        effects
    }

    fn vault_opened(
        &mut self,
        stored: Vec<(GatewayId, StoredCredentials)>,
        now: Now,
    ) -> Vec<Effect> {
        self.vault_asked = false;
        // a second answer would undo what has changed since the first
        if self.vault == Vault::Open {
            return vec![];
        }
        self.vault = Vault::Open;
        let mut effects = vec![];
        for (id, credentials) in stored {
            effects.extend(self.of(&id, now, |gateway, _| gateway.restore(credentials)));
        }
        effects.extend(self.catch_up(now));
        effects
    }

    /// The secret store has answered: now it can be said what becomes of the pairings that waited for that.
    fn catch_up(&mut self, now: Now) -> Vec<Effect> {
        let postponed = std::mem::take(&mut self.postponed).into_iter();
        postponed
            .flat_map(|(id, command)| self.command(id, command, now))
            .collect()
    }

    fn open_vault(&mut self) -> Option<Effect> {
        let wanted = self.vault != Vault::Open && !self.vault_asked;
        self.vault_asked |= wanted;
        wanted.then_some(Effect::OpenVault)
    }

    /// Runs `act` on this gateway, if it is still there.
    fn of(
        &mut self,
        id: &GatewayId,
        now: Now,
        act: impl FnOnce(&mut Gateway, &World<'_>) -> Changes,
    ) -> Vec<Effect> {
        let (gateways, world) = self.parts(now);
        let Some(gateway) = gateways.iter_mut().find(|gateway| gateway.id() == id) else {
            return vec![];
        };
        let mut changes = act(gateway, &world);
        if changes.record {
            changes.effects.push(Effect::SaveRegistry(self.registry()));
        }
        changes.effects
    }

    /// Runs `act` on the gateway that a socket belongs to, unless the socket is not its current one.
    fn at(
        &mut self,
        socket: &Socket,
        now: Now,
        act: impl FnOnce(&mut Gateway, &World<'_>) -> Changes,
    ) -> Vec<Effect> {
        self.of(&socket.gateway, now, |gateway, world| {
            match gateway.owns(socket) {
                true => act(gateway, world),
                false => Changes::default(),
            }
        })
    }

    fn parts(&mut self, now: Now) -> (&mut Vec<Gateway>, World<'_>) {
        let local_ready = self
            .local
            .as_ref()
            .is_some_and(|local| local.state == LocalGatewayState::Ready);
        let world = World {
            now,
            vault_open: self.vault == Vault::Open,
            local_ready,
            commands: &self.about.node_commands,
            generation: &mut self.generation,
        };
        (&mut self.gateways, world)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.gateways
            .iter()
            .position(|gateway| gateway.id().as_str() == name)
            .or_else(|| {
                self.gateways
                    .iter()
                    .position(|gateway| gateway.record.name == name)
            })
    }

    fn first(&self) -> Option<GatewayId> {
        self.gateways.first().map(|gateway| gateway.id().clone())
    }

    /// What has to be stored.
    fn registry(&self) -> Registry {
        Registry {
            gateways: self
                .gateways
                .iter()
                .map(|gateway| gateway.record.clone())
                .collect(),
            primary: self.primary.clone(),
        }
    }

    /// The snapshot, if it differs from the one published last.
    pub fn publish(&mut self, now: Now) -> Option<Arc<Snapshot>> {
        let mut snapshot = self.snapshot(now);
        if self.published.as_deref() == Some(&snapshot) {
            return None;
        }
        self.revision += 1;
        snapshot.revision = self.revision;
        let published = Arc::new(snapshot);
        self.published = Some(Arc::clone(&published));
        Some(published)
    }

    /// Everything that may be seen, under the revision published last.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let primary = self.primary.clone();
        let problems = self.problems();
        let (gateways, world) = self.parts(now);
        let mut views: Vec<_> = gateways
            .iter()
            .map(|gateway| gateway.view(primary.as_ref() == Some(gateway.id()), &world))
            .collect();
        views.sort_by_key(|view| !view.primary);
        let worst = views.iter().map(|view| view.overall).min();
        let overall = match worst {
            _ if problems
                .iter()
                .any(|problem| problem.severity == Severity::NeedsYou) =>
            {
                Overall::NeedsYou
            }
            Some(worst) => worst,
            None if self.local.is_some() => Overall::Connecting,
            None => Overall::NoGateways,
        };
        Snapshot {
            revision: self.revision,
            version: self.about.version.clone(),
            pid: self.about.pid,
            overall,
            problems,
            secret_store: SecretStoreView {
                kind: self.about.secret_store,
                usable: self.vault == Vault::Open,
            },
            local_gateway: self.local.clone(),
            gateways: views,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let vault = match self.vault {
            Vault::Opening | Vault::Open => None,
            Vault::Failed(VaultTrouble::Locked) => Some(Problem::secret_store_locked()),
            Vault::Failed(VaultTrouble::Unavailable) => Some(Problem::secret_store_unavailable()),
            Vault::Failed(VaultTrouble::Failed) => Some(Problem::secret_store_failed()),
        };
        let local = self
            .local
            .as_ref()
            .filter(|local| local.state == LocalGatewayState::Failed)
            .map(|local| Problem::local_gateway_failed(&local.detail));
        let unsaved = (!self.registry_saved).then(Problem::record_not_saved);
        let unreadable = self
            .unreadable
            .iter()
            .map(|file| Problem::state_unreadable(file));
        vault
            .into_iter()
            .chain(local)
            .chain(unsaved)
            .chain(unreadable)
            .collect()
    }
}

fn plain(effects: Vec<Effect>) -> Changes {
    Changes {
        effects,
        record: false,
    }
}
