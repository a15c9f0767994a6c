//! `claw-companion run`: everything that runs all day, in one process.

use crate::{
    cli::{self, RunArgs},
    desktop::ThisDesktop,
    narrate::Narrator,
    platform::TrayPlace,
    window,
};
use anyhow::Context;
use companion_core::{
    About, Command, Registry,
    record::Origin,
    snapshot::SecretStoreKind,
    tray::{MenuAction, Tray},
};
use companion_runtime::{Companion, Config, LocalGateway};
use companion_store::{
    DataDir, Error, InstanceLock, RegistryFile, Secrets, Settings, SettingsFile, file_vault,
    keyring_vault, memory_vault, take_lock, write_private,
};
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Runs until it is told to quit; `desktop` is absent without a screen. The exit code is 0 then, also when another
/// companion runs already.
pub(crate) fn run(args: &RunArgs, desktop: Option<TrayPlace>) -> ExitCode {
    let (voice, _last_words) = Voice::start();
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build();
    let outcome = match &tokio {
        Ok(tokio) => tokio.block_on(companion(args, desktop, voice)),
        Err(error) => Err(anyhow::anyhow!("this system gives no event loop: {error}")),
    };
    if let Ok(tokio) = tokio {
        // what hangs in a call to the system must not keep an ending companion
        tokio.shutdown_timeout(Duration::from_secs(1));
    }
    match outcome {
        Ok(code) => code,
        Err(error) => cli::start_failed(&error, args.json),
    }
}

async fn companion(
    args: &RunArgs,
    desktop: Option<TrayPlace>,
    voice: Voice,
) -> anyhow::Result<ExitCode> {
    let dir = DataDir::resolve()?;
    let lock = match take_lock(&dir) {
        Ok(lock) => lock,
        Err(Error::AlreadyRunning(_)) => return Ok(cli::hand_over(&dir, args).await),
        Err(error) => return Err(error.into()),
    };
    let stored = Stored::load(&dir, args)?;
    let (ask_window, window_wanted) = mpsc::unbounded_channel();
    let wants_local = args.with_local_gateway
        || stored
            .registry
            .gateways
            .iter()
            .any(|gateway| gateway.origin == Origin::Local);
    let (companion, ended) = companion_runtime::start(Config {
        about: About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            secret_store: stored.secrets.kind(),
            node_commands: node_commands::commands()
                .iter()
                .map(|command| command.name.to_owned())
                .collect(),
            approve_local_node: args.approve_node,
        },
        registry: stored.registry,
        registry_file: RegistryFile::new(&dir),
        secrets: stored.secrets,
        installation: stored.settings.installation.clone(),
        unreadable: stored.unreadable,
        local_gateway: match wants_local {
            true => Some(LocalGateway {
                cache: DataDir::cache()?,
                home: dir.path().join("local-gateway"),
            }),
            false => None,
        },
        desktop: Arc::new(match desktop {
            Some(_) => ThisDesktop::with_screen(ask_window, notification_icon(&dir)),
            None => ThisDesktop::headless(),
        }),
    });
    let endpoint =
        control_endpoint::serve(companion.clone(), &dir, stored.settings.control_port).await?;
    if args.json {
        tokio::spawn(report(companion.clone(), voice));
    } else {
        greet(args, wants_local, &voice);
        tokio::spawn(narrate(companion.clone(), voice));
    }
    tokio::spawn(obey_signals(companion.clone()));
    if let Some(place) = desktop {
        tokio::spawn(window::keep(companion.clone(), window_wanted));
        tokio::spawn(show_tray(companion.clone(), place));
    }
    drop(companion);
    ended.await.context("the companion stopped unexpectedly")?;
    endpoint.shutdown().await;
    drop::<InstanceLock>(lock);
    Ok(ExitCode::SUCCESS)
}

/// Notification services read icons from files, and ours may not be installed.
fn notification_icon(dir: &DataDir) -> Option<PathBuf> {
    let file = dir.path().join("icon.png");
    match write_private(&file, include_bytes!("../../../icons/64x64.png")) {
        Ok(()) => Some(file),
        Err(error) => {
            tracing::warn!(%error, "notifications have no icon");
            None
        }
    }
}

/// What the data folder holds.
struct Stored {
    registry: Registry,
    settings: Settings,
    secrets: Secrets,
    unreadable: Vec<String>,
}

impl Stored {
    fn load(dir: &DataDir, args: &RunArgs) -> anyhow::Result<Self> {
        let mut unreadable = vec![];
        let records = RegistryFile::new(dir);
        let registry = last_good("gateways.json", &mut unreadable, || records.load())?;
        let file = SettingsFile::new(dir);
        let mut settings = last_good("settings.json", &mut unreadable, || file.load())?;
        if let Some(chosen) = args.secret_store
            && chosen != SecretStoreKind::Memory
            && settings.secret_store != Some(chosen)
        {
            let now = settings.secret_store.unwrap_or(SecretStoreKind::Keyring);
            anyhow::ensure!(
                registry.gateways.is_empty() || chosen == now,
                "the tokens of your gateways are in another secret store ({now:?}); start without --secret-store, or \
                 forget the gateways first"
            );
            // the choice is the person's word for later starts, too
            settings.secret_store = Some(chosen);
            file.save(&settings)?;
        }
        let vault = match args
            .secret_store
            .or(settings.secret_store)
            .unwrap_or(SecretStoreKind::Keyring)
        {
            SecretStoreKind::Keyring => keyring_vault(&settings.installation),
            SecretStoreKind::File => file_vault(dir),
            SecretStoreKind::Memory => memory_vault(),
        };
        Ok(Self {
            registry,
            settings,
            secrets: Secrets::new(vault),
            unreadable,
        })
    }
}

/// Reads a file, or its last good copy once the damaged one was kept aside.
fn last_good<T>(
    name: &str,
    unreadable: &mut Vec<String>,
    load: impl Fn() -> Result<T, Error>,
) -> Result<T, Error> {
    match load() {
        Err(Error::Unreadable { .. }) => {
            unreadable.push(name.to_owned());
            load()
        }
        other => other,
    }
}

fn greet(args: &RunArgs, wants_local: bool, voice: &Voice) {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    voice.tell(&format!(
        "Claw Companion {version} runs (pid {pid}). Ask it with: claw-companion status"
    ));
    match (args.approve_node, wants_local) {
        (true, true) => {
            voice.tell("Agents of the local gateway may use these commands of this computer:");
            for command in node_commands::commands() {
                voice.tell(&format!("  {:<15} {}", command.name, command.description));
            }
        }
        (true, false) => {
            voice.tell("--approve-node is about a gateway that runs here, and none does.")
        }
        (false, _) => {}
    }
}

/// Each change as a line of JSON.
async fn report(companion: Companion, voice: Voice) {
    let mut snapshots = companion.subscribe();
    drop(companion);
    loop {
        let line = serde_json::to_string(&*snapshots.borrow_and_update());
        line.iter().for_each(|line| voice.tell(line));
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

async fn narrate(companion: Companion, voice: Voice) {
    let mut narrator = Narrator::default();
    let mut snapshots = companion.subscribe();
    drop(companion);
    loop {
        let news = narrator.news(&snapshots.borrow_and_update());
        news.iter().for_each(|line| voice.tell(line));
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

async fn obey_signals(companion: Companion) {
    crate::platform::asked_to_end().await;
    // if it is ending already, that is what was wanted
    let _ = companion.send(Command::Quit).await;
}

async fn show_tray(companion: Companion, place: TrayPlace) {
    let (pressed, mut presses) = mpsc::unbounded_channel();
    let mut snapshots = companion.subscribe();
    let first = Tray::of(&snapshots.borrow_and_update());
    let Some(tray) = place.show(first.clone(), pressed).await else {
        return;
    };
    let mut shown = first;
    loop {
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                let next = Tray::of(&snapshots.borrow_and_update());
                if next != shown {
                    tray.update(next.clone()).await;
                    shown = next;
                }
            }
            Some(action) = presses.recv() => {
                let command = match action {
                    MenuAction::Open => Command::OpenWindow,
                    MenuAction::Quit => Command::Quit,
                };
                if let Err(problem) = companion.send(command).await {
                    tracing::info!(code = problem.code.as_str(), "a press in the tray had no effect");
                }
            }
        }
    }
}

/// The terminal. A reader that is slow or stopped loses lines and holds up nothing.
#[derive(Debug, Clone)]
struct Voice(NonBlocking);

/// As many lines wait for a slow reader.
const WAITING_LINES: usize = 1024;

impl Voice {
    /// Also starts the log. The guards write what is left when they are dropped.
    fn start() -> (Self, [WorkerGuard; 2]) {
        let builder = || NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES);
        let (out, out_guard) = builder().finish(std::io::stdout());
        let (log, log_guard) = builder().finish(std::io::stderr());
        let filter = EnvFilter::try_from_env("CLAW_COMPANION_LOG")
            .unwrap_or_else(|_| EnvFilter::new("warn"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(log)
            .with_ansi(std::io::stderr().is_terminal())
            .init();
        (Self(out), [out_guard, log_guard])
    }

    fn tell(&self, line: &str) {
        // one write is one message to the writing thread
        let _ = self.0.clone().write_all(format!("{line}\n").as_bytes());
    }
}
