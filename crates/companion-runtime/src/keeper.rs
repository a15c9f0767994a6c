//! Keeps secrets: the store does the work on threads where blocking is allowed, one job after the other; what it
//! holds is remembered here, so that a dial waits for nobody and a token that could not be stored is not lost.

use crate::runtime::Message;
use companion_core::{
    Credential, GatewayId, Input, Registry, Socket, StoredCredentials, VaultTrouble,
    effect::NewSecret,
};
use companion_store::{Error, RegistryFile, Secrets, StoredToken};
use gateway_protocol::{Auth, BootstrapToken, DeviceIdentity, IssuedToken, Role, SharedToken};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// Hands jobs to the store, in order.
#[derive(Debug)]
pub(crate) struct Keeper {
    jobs: mpsc::UnboundedSender<Job>,
    worker: JoinHandle<()>,
    known: Known,
}

/// How long an ending companion waits for the store.
const LAST_WORD: Duration = Duration::from_secs(12);

type Known = Arc<Mutex<BTreeMap<GatewayId, Holding>>>;

/// The secrets of one gateway.
#[derive(Debug, Default)]
struct Holding {
    identity: Option<DeviceIdentity>,
    operator: Option<Held>,
    node: Option<Held>,
    shared: Option<SharedToken>,
    bootstrap: Option<BootstrapToken>,
}

#[derive(Debug)]
struct Held {
    token: StoredToken,
    /// It is in the store, too.
    stored: bool,
}

#[derive(Debug)]
pub(crate) enum Job {
    Open(Vec<GatewayId>),
    SaveGateway {
        gateway: GatewayId,
        registry: Registry,
        secret: NewSecret,
    },
    SaveRegistry(Registry),
    SaveDeviceTokens(Socket, Vec<IssuedToken>),
    Forget(GatewayId, Credential),
    Delete(GatewayId, Registry),
}

impl Keeper {
    /// Starts the worker; it ends with the keeper.
    pub(crate) fn start(
        secrets: Secrets,
        registry: RegistryFile,
        messages: mpsc::Sender<Message>,
    ) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job>();
        let known = Known::default();
        let worker = Arc::new(Worker {
            secrets,
            registry,
            known: Arc::clone(&known),
        });
        let worker = tokio::spawn(async move {
            while let Some(job) = queue.recv().await {
                let worker = Arc::clone(&worker);
                // a panic in the store ends the job without an answer; the next job is tried all the same
                let Ok(answer) = spawn_blocking(move || worker.perform(job)).await else {
                    continue;
                };
                if let Some(input) = answer {
                    // a loop that has ended needs no answer, but what was handed in is still stored
                    let _ = messages.send(Message::Input(input)).await;
                }
            }
        });
        Self {
            jobs,
            worker,
            known,
        }
    }

    pub(crate) fn give(&self, job: Job) {
        // the worker lives as long as the loop; after that nothing is to be stored
        let _ = self.jobs.send(job);
    }

    /// Stores what was handed in before; waits for it, but not for a store that does not answer.
    pub(crate) async fn finish(self) {
        drop(self.jobs);
        if timeout(LAST_WORD, self.worker).await.is_err() {
            tracing::warn!("the secret store did not answer in time; something may not be stored");
        }
    }

    /// This device's key and the chosen secret, if both are there.
    pub(crate) fn credential(
        &self,
        gateway: &GatewayId,
        credential: Credential,
    ) -> Option<(DeviceIdentity, Auth)> {
        let known = lock(&self.known);
        let holding = known.get(gateway)?;
        let auth = match credential {
            Credential::Bootstrap => Auth::Bootstrap(holding.bootstrap.clone()?),
            Credential::Device(Role::Operator) => {
                Auth::Device(holding.operator.as_ref()?.token.token.clone())
            }
            Credential::Device(Role::Node) => {
                Auth::Device(holding.node.as_ref()?.token.token.clone())
            }
            Credential::Shared => Auth::Shared(holding.shared.clone()?),
        };
        Some((holding.identity.clone()?, auth))
    }
}

struct Worker {
    secrets: Secrets,
    registry: RegistryFile,
    known: Known,
}

impl Worker {
    fn perform(&self, job: Job) -> Option<Input> {
        match job {
            Job::Open(gateways) => Some(match self.open(&gateways) {
                Ok(stored) => Input::VaultOpened(stored),
                Err(error) => Input::VaultFailed(trouble("open the secret store", &error)),
            }),
            Job::SaveGateway {
                gateway,
                registry,
                secret,
            } => Some(match self.save_gateway(&gateway, registry, secret) {
                Ok(identity) => Input::GatewaySaved(gateway, identity.id().clone()),
                Err(error) => Input::GatewayNotSaved(gateway, trouble("save the gateway", &error)),
            }),
            Job::SaveRegistry(registry) => Some(self.save_registry(&registry)),
            Job::SaveDeviceTokens(socket, tokens) => {
                Some(match self.save_tokens(&socket.gateway, tokens) {
                    Ok(()) => Input::TokensSaved(socket),
                    Err(error) => {
                        Input::TokensNotSaved(socket, trouble("save a device token", &error))
                    }
                })
            }
            Job::Forget(gateway, credential) => {
                if let Err(error) = self.forget(&gateway, credential) {
                    trouble("forget a token", &error);
                }
                None
            }
            Job::Delete(gateway, registry) => {
                lock(&self.known).remove(&gateway);
                if let Err(error) = self.secrets.forget_gateway(&gateway) {
                    trouble("forget a gateway's secrets", &error);
                }
                Some(self.save_registry(&registry))
            }
        }
    }

    fn open(&self, gateways: &[GatewayId]) -> Result<Vec<(GatewayId, StoredCredentials)>, Error> {
        self.secrets.probe()?;
        let mut found = Vec::with_capacity(gateways.len());
        for gateway in gateways {
            let held = |token: Option<StoredToken>| {
                token.map(|token| Held {
                    token,
                    stored: true,
                })
            };
            let holding = Holding {
                identity: readable(self.secrets.identity(gateway))?
                    .as_ref()
                    .map(DeviceIdentity::from_seed),
                operator: held(readable(
                    self.secrets.device_token(gateway, Role::Operator),
                )?),
                node: held(readable(self.secrets.device_token(gateway, Role::Node))?),
                shared: readable(self.secrets.shared_token(gateway))?,
                bootstrap: readable(self.secrets.bootstrap_token(gateway))?,
            };
            found.push((gateway.clone(), holding.stored()));
            lock(&self.known).insert(gateway.clone(), holding);
        }
        Ok(found)
    }

    fn save_gateway(
        &self,
        gateway: &GatewayId,
        mut registry: Registry,
        secret: NewSecret,
    ) -> Result<DeviceIdentity, Error> {
        let identity = DeviceIdentity::from_seed(&self.secrets.make_identity(gateway)?);
        match &secret {
            NewSecret::Bootstrap(token) => self.secrets.save_bootstrap_token(gateway, token)?,
            NewSecret::Shared(token) => self.secrets.save_shared_token(gateway, token)?,
        }
        for record in registry
            .gateways
            .iter_mut()
            .filter(|record| record.id == *gateway)
        {
            record.device_id = Some(identity.id().clone());
        }
        self.registry.save(&registry)?;
        let mut known = lock(&self.known);
        let holding = known.entry(gateway.clone()).or_default();
        holding.identity = Some(identity.clone());
        match secret {
            NewSecret::Bootstrap(token) => holding.bootstrap = Some(token),
            NewSecret::Shared(token) => holding.shared = Some(token),
        }
        Ok(identity)
    }

    fn save_registry(&self, registry: &Registry) -> Input {
        match self.registry.save(registry) {
            Ok(()) => Input::RegistrySaved,
            Err(error) => {
                trouble("save the gateways", &error);
                Input::RegistryNotSaved
            }
        }
    }

    fn save_tokens(&self, gateway: &GatewayId, tokens: Vec<IssuedToken>) -> Result<(), Error> {
        for issued in tokens {
            let token = StoredToken {
                token: issued.device_token,
                scopes: issued.scopes,
            };
            if self.remember(gateway, issued.role, &token) {
                continue;
            }
            self.secrets
                .save_device_token(gateway, issued.role, &token)?;
            if let Some(held) = lock(&self.known)
                .entry(gateway.clone())
                .or_default()
                .of(issued.role)
            {
                held.stored = true;
            }
        }
        Ok(())
    }

    /// Keeps the token in memory; is the very same in the store already?
    fn remember(&self, gateway: &GatewayId, role: Role, token: &StoredToken) -> bool {
        let mut known = lock(&self.known);
        let holding = known.entry(gateway.clone()).or_default();
        if let Some(held) = holding.of(role)
            && held.stored
            && held.token.token.matches(&token.token)
            && held.token.scopes == token.scopes
        {
            return true;
        }
        holding.put(
            role,
            Some(Held {
                token: token.clone(),
                stored: false,
            }),
        );
        false
    }

    fn forget(&self, gateway: &GatewayId, credential: Credential) -> Result<(), Error> {
        if let Some(holding) = lock(&self.known).get_mut(gateway) {
            match credential {
                Credential::Bootstrap => holding.bootstrap = None,
                Credential::Device(role) => holding.put(role, None),
                Credential::Shared => holding.shared = None,
            }
        }
        match credential {
            Credential::Bootstrap => self.secrets.forget_bootstrap_token(gateway),
            Credential::Device(role) => self.secrets.forget_device_token(gateway, role),
            Credential::Shared => self.secrets.forget_shared_token(gateway),
        }
    }
}

impl Holding {
    fn stored(&self) -> StoredCredentials {
        StoredCredentials {
            operator: self.operator.as_ref().map(|held| held.token.scopes.clone()),
            node: self.node.is_some(),
            shared: self.shared.is_some(),
            bootstrap: self.bootstrap.is_some(),
            device: self.identity.as_ref().map(|identity| identity.id().clone()),
        }
    }

    fn of(&mut self, role: Role) -> Option<&mut Held> {
        match role {
            Role::Operator => self.operator.as_mut(),
            Role::Node => self.node.as_mut(),
        }
    }

    fn put(&mut self, role: Role, held: Option<Held>) {
        match role {
            Role::Operator => self.operator = held,
            Role::Node => self.node = held,
        }
    }
}

/// One entry that makes no sense must not keep every other gateway away: it counts as missing, and stays where it is.
fn readable<T>(entry: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match entry {
        Err(error @ Error::UnreadableSecret(_)) => {
            trouble("read a stored secret", &error);
            Ok(None)
        }
        other => other,
    }
}

fn trouble(what: &'static str, error: &Error) -> VaultTrouble {
    tracing::warn!(%error, "could not {what}");
    error.trouble()
}

/// Nothing panics while it is held, and what it guards is whole after each statement.
fn lock(known: &Known) -> MutexGuard<'_, BTreeMap<GatewayId, Holding>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
