//! What the web UI may ask for.

use crate::pipe::{Closed, Pipe};
use companion_core::Snapshot;
use std::sync::Arc;
use tauri::State;
use window_link::{Answer, RawCommand};

/// The latest snapshot; nothing before the first one arrived.
#[tauri::command]
pub(crate) fn snapshot(pipe: State<'_, Arc<Pipe>>) -> Option<Arc<Snapshot>> {
    pipe.latest()
}

/// Hands a command to the companion and waits for its answer.
#[tauri::command]
pub(crate) async fn send(
    command: RawCommand,
    pipe: State<'_, Arc<Pipe>>,
) -> Result<Answer, Closed> {
    pipe.send(command).await
}
