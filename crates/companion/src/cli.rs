//! The command line: reads it, and asks the running companion over its control endpoint.

mod arguments;
mod console;
mod failure;
mod follow;
mod pair;
mod show;
mod typed;

use arguments::Ask;
pub(crate) use arguments::{Question, RunArgs, Wish, parse};
use companion_core::{Problem, ProblemCode, Timestamp};
use companion_store::{DataDir, Error as StoreError, take_lock};
use console::Console;
use control_endpoint::{Client, ClientError};
use failure::{Exit, Failure};
use serde_json::{Value, json};
use std::{
    io,
    process::ExitCode,
    time::{Duration, SystemTime},
};
use tokio::{task::spawn_blocking, time::sleep};

/// How long a change is waited for in one call.
const LONG_POLL: Duration = Duration::from_secs(50);
const QUIT_TIME: Duration = Duration::from_secs(20);
const HAND_OVER_TIME: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Asks what was asked for and prints the answer.
pub(crate) fn ask(question: Question) -> ExitCode {
    let mut stdout = io::stdout();
    let mut stderr = io::stderr();
    let mut stdin = io::stdin().lock();
    let mut console = Console::new(question.json, &mut stdout, &mut stderr, &mut stdin);
    let outcome = match (DataDir::resolve(), event_loop()) {
        (Ok(dir), Ok(tokio)) => tokio.block_on(answer(question.ask, &dir, &mut console)),
        (Err(error), _) => Err(ClientError::from(error).into()),
        (_, Err(error)) => Err(ClientError::Unreachable(error).into()),
    };
    console.end(outcome).into()
}

/// Tells the companion that holds this data folder that it was started again; it shows its window unless `headless`.
pub(crate) async fn hand_over(dir: &DataDir, args: &RunArgs) -> ExitCode {
    let mut stdout = io::stdout();
    let mut stderr = io::stderr();
    let mut stdin = io::empty();
    let mut console = Console::new(args.json, &mut stdout, &mut stderr, &mut stdin);
    let outcome = introduce(dir, args.headless, &mut console).await;
    console.end(outcome).into()
}

/// Says why the companion could not start.
pub(crate) fn start_failed(error: &anyhow::Error, json: bool) -> ExitCode {
    let mut stdout = io::stdout();
    let mut stderr = io::stderr();
    let mut stdin = io::empty();
    let mut console = Console::new(json, &mut stdout, &mut stderr, &mut stdin);
    console.end(Err(Failure::start_failed(error))).into()
}

async fn introduce(
    dir: &DataDir,
    headless: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let mut left = HAND_OVER_TIME;
    let mut client = loop {
        match Client::connect(dir).await {
            // it holds the folder, so it is about to listen
            Err(error) if error.is_not_running() && !left.is_zero() => {
                left = left.saturating_sub(LOOK_AGAIN);
                sleep(LOOK_AGAIN).await;
            }
            Err(error) if error.is_not_running() => return Err(Failure::not_answering(dir)),
            other => break other?,
        }
    };
    let pid = client.status(None, Duration::ZERO).await?.pid;
    match console.json() {
        true => console.print(&json!({ "alreadyRunning": true, "pid": pid })),
        false => console.say(&format!("Claw Companion runs already (pid {pid}).")),
    };
    if !headless {
        client.call("open_window", json!({})).await?;
    }
    Ok(Exit::Done)
}

async fn answer(ask: Ask, dir: &DataDir, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match ask {
        Ask::Status { watch } => status(watch, dir, console).await,
        Ask::Pair(args) => pair::pair(&args, dir, console).await,
        Ask::Connect(args) => pair::connect(&args, dir, console).await,
        Ask::Gateways => {
            let mut client = Client::connect(dir).await?;
            if console.json() {
                let answer = client.call("gateways", json!({})).await?;
                console.print(&answer);
            } else {
                let snapshot = client.status(None, Duration::ZERO).await?;
                console.say(&show::gateways(&snapshot));
            }
            Ok(Exit::Done)
        }
        Ask::Forget { gateway, yes } => forget(&gateway, yes, dir, console).await,
        Ask::Reconnect { gateway, role } => {
            let mut client = Client::connect(dir).await?;
            let role = role.map(|role| role.as_str());
            let wish = json!({ "gateway": gateway, "role": role });
            let done = client.call("reconnect", wish).await?;
            told(
                &done,
                "Connecting again. See how it goes: claw-companion status",
                console,
            );
            Ok(Exit::Done)
        }
        Ask::Quit => quit(dir, console).await,
    }
}

async fn status(watch: bool, dir: &DataDir, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let mut client = Client::connect(dir).await?;
    let mut known = None;
    loop {
        let snapshot = client.status(known, LONG_POLL).await?;
        if known != Some(snapshot.revision) {
            let shown = match (console.json(), watch) {
                (true, true) => console.print_line(&snapshot),
                (true, false) => console.print(&snapshot),
                (false, _) => console.say(&show::status(&snapshot, now())),
            };
            if !shown {
                // nobody reads any more
                return Ok(Exit::Done);
            }
        }
        if !watch {
            return Ok(Exit::Done);
        }
        known = Some(snapshot.revision);
    }
}

async fn forget(
    name: &str,
    yes: bool,
    dir: &DataDir,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let mut client = Client::connect(dir).await?;
    let snapshot = client.status(None, Duration::ZERO).await?;
    let gateway = snapshot
        .gateways
        .iter()
        .find(|gateway| gateway.id.as_str() == name || gateway.name == name)
        .ok_or_else(Problem::unknown_gateway)?;
    if !yes {
        console.tell(&format!(
            "Forget {} at {}? Its keys and tokens are deleted; to come back it must be paired again.",
            gateway.name, gateway.url
        ));
        console.confirm()?;
    }
    // the id: a name may have changed hands while the person thought
    let wish = json!({ "gateway": gateway.id.as_str() });
    let done = client.call("forget", wish).await?;
    told(&done, &format!("Forgot {}.", gateway.name), console);
    Ok(Exit::Done)
}

async fn quit(dir: &DataDir, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let mut client = Client::connect(dir).await?;
    match client.call("quit", json!({})).await {
        Ok(_) => {}
        Err(ClientError::Refused(refusal)) if refusal.code == ProblemCode::Quitting.as_str() => {}
        Err(error) => return Err(error.into()),
    }
    drop(client);
    let mut left = QUIT_TIME;
    while is_held(dir).await {
        if left.is_zero() {
            return Err(Failure::still_ending());
        }
        left = left.saturating_sub(LOOK_AGAIN);
        sleep(LOOK_AGAIN).await;
    }
    told(
        &json!({ "type": "done" }),
        "Claw Companion has ended.",
        console,
    );
    Ok(Exit::Done)
}

/// Does a companion still use the folder?
async fn is_held(dir: &DataDir) -> bool {
    let dir = dir.clone();
    let taken = spawn_blocking(move || take_lock(&dir)).await;
    matches!(taken, Ok(Err(StoreError::AlreadyRunning(_))))
}

fn told(done: &Value, words: &str, console: &mut Console<'_>) {
    if console.json() {
        console.print(done);
    } else {
        console.say(words);
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp(u64::try_from(ms).unwrap_or(u64::MAX))
}

fn event_loop() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests;
