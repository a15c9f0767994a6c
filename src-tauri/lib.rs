//! The window process: shows the companion's snapshots and carries a person's commands back.
//!
//! Lives only while its window is open. It speaks with its parent over stdin and stdout alone ([`window_link`]); it opens
//! no socket or file of its own, holds no secret, and decides nothing. It must not know what a command means.

mod commands;
mod pipe;
mod window;

use anyhow::Context;
use pipe::{Pipe, Reaction};
use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};
use tauri::{App, AppHandle, Emitter, Manager};
use window_link::FromWindow;

/// The event that carries every new snapshot to the web UI.
const SNAPSHOT: &str = "snapshot";

/// Shows the window until it is closed, the companion says so, or the companion is gone.
///
/// # Errors
/// The desktop gives no window, or the companion sent what this version cannot read.
pub fn run() -> anyhow::Result<()> {
    let (failed, failure) = mpsc::channel();
    let app = tauri::Builder::default()
        .invoke_handler(tauri::generate_handler![commands::snapshot, commands::send])
        .setup(move |app| {
            if let Err(error) = start(app, failed.clone()) {
                drop(failed.send(error));
                app.handle().exit(1);
            }
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("the window could not be opened")?;
    app.run_return(|_, _| {});
    match failure.try_recv() {
        Ok(error) => Err(error),
        Err(_) => Ok(()),
    }
}

/// The link first: its first snapshot arrives while the page loads.
fn start(app: &App, failed: mpsc::Sender<anyhow::Error>) -> anyhow::Result<()> {
    let (outgoing, messages) = mpsc::channel();
    outgoing.send(FromWindow::Hello {
        version: app.package_info().version.to_string(),
    })?;
    let pipe = Arc::new(Pipe::new(outgoing));
    app.manage(Arc::clone(&pipe));

    let handle = app.handle().clone();
    thread::Builder::new()
        .name("to companion".to_owned())
        .spawn(move || {
            if pipe::write_lines(io::stdout(), &messages).is_err() {
                handle.exit(0);
            }
        })?;
    let handle = app.handle().clone();
    thread::Builder::new()
        .name("from companion".to_owned())
        .spawn(move || {
            let ended = pipe::read_lines(io::stdin(), |message| {
                if let Some(reaction) = pipe.receive(message) {
                    react(&handle, reaction);
                }
            });
            if let Err(error) = ended {
                drop(failed.send(error));
            }
            handle.exit(0);
        })?;
    Ok(window::open(app)?)
}

fn react(app: &AppHandle, reaction: Reaction) {
    match reaction {
        // Fails only while the window is going away.
        Reaction::Publish(snapshot) => drop(app.emit_to(window::LABEL, SNAPSHOT, snapshot)),
        Reaction::ComeToFront => window::come_to_front(app),
        Reaction::End => app.exit(0),
    }
}
