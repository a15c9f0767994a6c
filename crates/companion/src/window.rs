//! The window's process: started when it is wanted, fed with snapshots, gone when it is closed.

use companion_runtime::Companion;
use std::{env, io, path::PathBuf, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
};
use window_link::{Answer, Decoder, FromWindow, ToWindow, encode};

/// Opens the window each time it is asked for, and brings an open one to the front. Ends with the companion.
pub(crate) async fn keep(companion: Companion, mut wanted: mpsc::UnboundedReceiver<()>) {
    while wanted.recv().await.is_some() {
        match spawn() {
            Ok(child) => {
                tracing::info!("window opened");
                if let Err(error) = serve(child, &companion, &mut wanted).await {
                    tracing::warn!(%error, "the window ended unexpectedly");
                }
            }
            Err(error) => tracing::warn!(%error, "the window could not be started"),
        }
    }
}

fn spawn() -> io::Result<Child> {
    Command::new(program()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Beside this program, unless a test or a developer says otherwise.
fn program() -> io::Result<PathBuf> {
    if let Some(chosen) = env::var_os("CLAW_COMPANION_WINDOW") {
        return Ok(chosen.into());
    }
    let name = format!("claw-companion-window{}", env::consts::EXE_SUFFIX);
    Ok(env::current_exe()?.with_file_name(name))
}

async fn serve(
    mut child: Child,
    companion: &Companion,
    wanted: &mut mpsc::UnboundedReceiver<()>,
) -> io::Result<()> {
    let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (answers, mut answered) = mpsc::channel::<(u64, Answer)>(16);
    let mut snapshots = companion.subscribe();
    let mut decoder = Decoder::<FromWindow>::default();
    let mut buffer = vec![0; 16 * 1024];
    snapshots.mark_changed();
    loop {
        tokio::select! {
            ended = child.wait() => {
                tracing::info!(status = %ended?, "window closed");
                return Ok(());
            }
            changed = snapshots.changed() => {
                let snapshot = snapshots.borrow_and_update().clone();
                let message = if changed.is_ok() { ToWindow::Snapshot(snapshot) } else { ToWindow::Close };
                // a window that is just closing takes no more
                if say(&mut to, &message).await.is_err() || changed.is_err() {
                    child.wait().await?;
                    return Ok(());
                }
            }
            Some((id, answer)) = answered.recv() => say(&mut to, &ToWindow::Answer { id, answer }).await?,
            Some(()) = wanted.recv() => say(&mut to, &ToWindow::Show).await?,
            read = from.read(&mut buffer) => {
                let read = read?;
                if read == 0 {
                    child.wait().await?;
                    return Ok(());
                }
                decoder.push(&buffer[..read]);
                while let Some(message) = decoder.next() {
                    hear(message.map_err(io::Error::other)?, companion, &answers);
                }
            }
        }
    }
}

fn hear(message: FromWindow, companion: &Companion, answers: &mpsc::Sender<(u64, Answer)>) {
    match message {
        FromWindow::Hello { version } => tracing::debug!(version, "the window says hello"),
        FromWindow::Command { id, command } => {
            let (companion, answers) = (companion.clone(), answers.clone());
            let command = match command.parse() {
                Ok(command) => command,
                Err(error) => {
                    return tracing::warn!(%error, "a command of the window was not understood");
                }
            };
            tokio::spawn(async move {
                let answer = match companion.send(command).await {
                    Ok(done) => Answer::Done(done),
                    Err(problem) => Answer::Problem(problem),
                };
                // a window that was closed meanwhile needs no answer
                let _ = answers.send((id, answer)).await;
            });
        }
    }
}

async fn say(to: &mut ChildStdin, message: &ToWindow) -> io::Result<()> {
    let line = encode(message).map_err(io::Error::other)?;
    to.write_all(&line).await?;
    to.flush().await
}
