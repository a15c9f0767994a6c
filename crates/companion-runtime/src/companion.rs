//! The handle that every front door holds.

use companion_core::{Command, Done, Problem, Snapshot};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// A running companion: send commands, see snapshots. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Companion {
    commands: mpsc::Sender<Asked>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// A command with the place for its answer.
pub(crate) type Asked = (Command, oneshot::Sender<Result<Done, Problem>>);

impl Companion {
    pub(crate) fn new(
        commands: mpsc::Sender<Asked>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self {
            commands,
            snapshots,
        }
    }

    /// Hands in a command and waits for its answer: for what is stored, not for what follows from it.
    ///
    /// # Errors
    /// The problem that kept it from being done; `quitting` once the companion ends.
    pub async fn send(&self, command: Command) -> Result<Done, Problem> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send((command, answer)).await.is_err() {
            return Err(Problem::quitting());
        }
        answered.await.unwrap_or_else(|_| Err(Problem::quitting()))
    }

    /// Everything that may be seen now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Follows the snapshot: only the newest is kept for a slow reader. Closed when the companion has ended.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }
}

/// A companion that answers with what `respond` says and shows `snapshot`: for tests of front doors.
pub fn scripted(
    snapshot: Snapshot,
    mut respond: impl FnMut(Command) -> Result<Done, Problem> + Send + 'static,
) -> (Companion, watch::Sender<Arc<Snapshot>>) {
    let (commands, mut asked) = mpsc::channel::<Asked>(8);
    let (publish, snapshots) = watch::channel(Arc::new(snapshot));
    tokio::spawn(async move {
        while let Some((command, answer)) = asked.recv().await {
            // a caller that stopped waiting is no failure
            let _ = answer.send(respond(command));
        }
    });
    (Companion::new(commands, snapshots), publish)
}
