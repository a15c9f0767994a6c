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
    keyring_vault, memory_vault, take_lock,
};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};
use tokio::sync::mpsc;

/// Runs until it is told to quit. The exit code is 0 then, also when another companion runs already.
pub(crate) fn run(args: &RunArgs, tray: TrayPlace) -> ExitCode {
    start_log();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .context("this system gives no event loop")
        .and_then(|tokio| tokio.block_on(companion(args, tray)));
    match outcome {
        Ok(code) => code,
        Err(error) => cli::start_failed(&error, args.json),
    }
}

async fn companion(args: &RunArgs, tray: TrayPlace) -> anyhow::Result<ExitCode> {
    let dir = DataDir::resolve()?;
    let lock = match take_lock(&dir) {
        Ok(lock) => lock,
        Err(Error::AlreadyRunning(_)) => return Ok(cli::hand_over(&dir, args).await),
        Err(error) => return Err(error.into()),
    };
    let stored = Stored::load(&dir, args)?;
    let desktop = if args.headless { None } else { Some(tray) };
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
        desktop: Arc::new(ThisDesktop {
            window: desktop.is_some().then_some(ask_window),
        }),
    });
    let endpoint =
        control_endpoint::serve(companion.clone(), &dir, stored.settings.control_port).await?;
    if args.json {
        tokio::spawn(report(companion.clone()));
    } else {
        greet(args, wants_local);
        tokio::spawn(narrate(companion.clone()));
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

fn greet(args: &RunArgs, wants_local: bool) {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    tell(&format!(
        "Claw Companion {version} runs (pid {pid}). Ask it with: claw-companion status"
    ));
    match (args.approve_node, wants_local) {
        (true, true) => {
            tell("Agents of the local gateway may use these commands of this computer:");
            for command in node_commands::commands() {
                tell(&format!("  {:<15} {}", command.name, command.description));
            }
        }
        (true, false) => tell("--approve-node is about a gateway that runs here, and none does."),
        (false, _) => {}
    }
}

/// Each change as a line of JSON.
async fn report(companion: Companion) {
    let mut snapshots = companion.subscribe();
    drop(companion);
    loop {
        let line = serde_json::to_string(&*snapshots.borrow_and_update());
        line.iter().for_each(|line| tell(line));
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

async fn narrate(companion: Companion) {
    let mut narrator = Narrator::default();
    let mut snapshots = companion.subscribe();
    drop(companion);
    loop {
        let news = narrator.news(&snapshots.borrow_and_update());
        news.iter().for_each(|line| tell(line));
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

/// A line on the terminal, if somebody reads it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CLAW_COMPANION_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
