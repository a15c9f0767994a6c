//! The window's end of the link.

use companion_core::Snapshot;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
};
use tauri::async_runtime;
use window_link::{Answer, Decoder, FromWindow, RawCommand, ToWindow};

/// How much is read at once; a snapshot of a few gateways fits.
const READ_SIZE: usize = 64 * 1024;

/// The latest snapshot, and the commands that have no answer yet.
#[derive(Debug)]
pub(crate) struct Pipe {
    outgoing: mpsc::Sender<FromWindow>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<Arc<Snapshot>>,
    last_id: u64,
    unanswered: BTreeMap<u64, async_runtime::Sender<Answer>>,
}

/// What a message asks of the window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Show this.
    Publish(Arc<Snapshot>),
    /// Come before other windows.
    ComeToFront,
    /// Close.
    End,
}

/// The companion is gone; so will the window be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Closed;

impl Pipe {
    /// Sends through `outgoing`; [`write_lines`] takes from its other end.
    pub(crate) fn new(outgoing: mpsc::Sender<FromWindow>) -> Self {
        Self {
            outgoing,
            state: Mutex::default(),
        }
    }

    pub(crate) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.state().latest.clone()
    }

    pub(crate) async fn send(&self, command: RawCommand) -> Result<Answer, Closed> {
        let (answered, mut answer) = async_runtime::channel(1);
        let id = self.state().expect_answer(answered);
        self.outgoing
            .send(FromWindow::Command { id, command })
            .map_err(|_| Closed)?;
        answer.recv().await.ok_or(Closed)
    }

    /// Takes a message of the companion; an answer goes to the command that waits for it.
    pub(crate) fn receive(&self, message: ToWindow) -> Option<Reaction> {
        match message {
            ToWindow::Snapshot(snapshot) => {
                let mut state = self.state();
                if state
                    .latest
                    .as_ref()
                    .is_some_and(|latest| latest.revision > snapshot.revision)
                {
                    return None;
                }
                state.latest = Some(Arc::clone(&snapshot));
                Some(Reaction::Publish(snapshot))
            }
            ToWindow::Answer { id, answer } => {
                if let Some(command) = self.state().unanswered.remove(&id) {
                    // The page that asked may have been reloaded.
                    drop(command.try_send(answer));
                }
                None
            }
            ToWindow::Show => Some(Reaction::ComeToFront),
            ToWindow::Close => Some(Reaction::End),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expect_answer(&mut self, answered: async_runtime::Sender<Answer>) -> u64 {
        self.last_id += 1;
        self.unanswered.insert(self.last_id, answered);
        self.last_id
    }
}

/// Reads messages until the other side closes.
///
/// # Errors
/// Reading fails, or a line is no message: then the companion is another version than this window.
pub(crate) fn read_lines(
    mut input: impl Read,
    mut each: impl FnMut(ToWindow),
) -> anyhow::Result<()> {
    let mut decoder = Decoder::default();
    let mut bytes = vec![0; READ_SIZE];
    loop {
        let count = input.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        decoder.push(&bytes[..count]);
        while let Some(message) = decoder.next() {
            each(message?);
        }
    }
}

/// Writes messages as they come, until no sender is left.
///
/// # Errors
/// Writing fails: the companion is gone.
pub(crate) fn write_lines(
    mut output: impl Write,
    messages: &mpsc::Receiver<FromWindow>,
) -> anyhow::Result<()> {
    for message in messages {
        output.write_all(&window_link::encode(&message)?)?;
        output.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use companion_core::Done;
    use serde_json::json;
    use tauri::async_runtime::block_on;

    fn snapshot(revision: u64) -> Arc<Snapshot> {
        let json = json!({
            "revision": revision, "version": "0.1.0", "pid": 1, "overall": "no_gateways", "problems": [],
            "secretStore": { "kind": "keyring", "usable": true }, "localGateway": null, "gateways": [],
        });
        serde_json::from_value(json).expect("a snapshot")
    }

    fn pipe() -> (Arc<Pipe>, mpsc::Receiver<FromWindow>) {
        let (outgoing, messages) = mpsc::channel();
        (Arc::new(Pipe::new(outgoing)), messages)
    }

    #[test]
    fn keeps_the_latest_snapshot_and_drops_an_older_one() {
        let (pipe, _messages) = pipe();
        assert_eq!(pipe.latest(), None);
        assert_eq!(
            pipe.receive(ToWindow::Snapshot(snapshot(5))),
            Some(Reaction::Publish(snapshot(5)))
        );
        assert_eq!(pipe.receive(ToWindow::Snapshot(snapshot(4))), None);
        assert_eq!(pipe.latest(), Some(snapshot(5)));
    }

    #[test]
    fn an_answer_reaches_the_command_with_its_number() {
        let (pipe, messages) = pipe();
        let sending: Vec<_> = ["first", "second"]
            .into_iter()
            .map(|name| {
                let pipe = Arc::clone(&pipe);
                let task =
                    async_runtime::spawn(
                        async move { pipe.send(RawCommand::new(json!(name))).await },
                    );
                let Ok(FromWindow::Command { id, .. }) = messages.recv() else {
                    panic!("no command was sent")
                };
                (id, task)
            })
            .collect();
        let refused = Answer::Problem(companion_core::Problem::unknown_gateway());
        assert_eq!(
            pipe.receive(ToWindow::Answer {
                id: sending[1].0,
                answer: refused.clone()
            }),
            None
        );
        assert_eq!(
            pipe.receive(ToWindow::Answer {
                id: sending[0].0,
                answer: Answer::Done(Done::Done)
            }),
            None
        );
        let answers: Vec<_> = sending
            .into_iter()
            .map(|(_, task)| block_on(task).expect("the task ends"))
            .collect();
        assert_eq!(answers, [Ok(Answer::Done(Done::Done)), Ok(refused)]);
    }

    #[test]
    fn a_command_fails_when_nobody_takes_it() {
        let (pipe, messages) = pipe();
        drop(messages);
        assert_eq!(block_on(pipe.send(RawCommand::new(json!({})))), Err(Closed));
    }

    #[test]
    fn reading_ends_with_the_input_and_stops_at_a_foreign_line() {
        let mut seen = Vec::new();
        read_lines(&b"\"show\"\n\"close\"\n"[..], |message| seen.push(message))
            .expect("both are messages");
        assert_eq!(seen, [ToWindow::Show, ToWindow::Close]);
        let error =
            read_lines(&b"{\"from\":\"the future\"}\n"[..], |_| ()).expect_err("no message");
        assert!(error.is::<window_link::Error>());
    }

    #[test]
    fn writes_one_line_per_message() {
        let (sender, messages) = mpsc::channel();
        for version in ["1", "2"] {
            sender
                .send(FromWindow::Hello {
                    version: version.to_owned(),
                })
                .expect("the receiver is here");
        }
        drop(sender);
        let mut written = Vec::new();
        write_lines(&mut written, &messages).expect("a vector takes everything");
        assert_eq!(
            written,
            b"{\"hello\":{\"version\":\"1\"}}\n{\"hello\":{\"version\":\"2\"}}\n"
        );
    }
}
