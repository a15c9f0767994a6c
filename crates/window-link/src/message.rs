//! What the two processes say to each other.

use crate::Error;
use companion_core::{Command, Done, Problem, Snapshot};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};
use ts_rs::TS;

/// From the companion to its window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWindow {
    /// Everything that may be seen. The first one comes at once, without being asked for.
    Snapshot(Arc<Snapshot>),
    /// How a command ended.
    Answer {
        /// The number that the command had.
        id: u64,
        /// Its outcome.
        answer: Answer,
    },
    /// Come to the front.
    Show,
    /// End.
    Close,
}

/// From the window to the companion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWindow {
    /// The first message.
    Hello {
        /// The window program's version; the companion's own unless an update replaced one of them.
        version: String,
    },
    /// A person wants something; answered by [`ToWindow::Answer`] with the same number.
    Command {
        /// Counts the commands of this window.
        id: u64,
        /// What is wanted.
        command: RawCommand,
    },
}

/// How a command from the window ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Answer {
    /// It was taken.
    Done(Done),
    /// It was refused.
    Problem(Problem),
}

/// One of the core's commands as JSON. The window carries it without reading it: it may hold a setup code.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawCommand(serde_json::Value);

impl RawCommand {
    /// Takes what the web UI sent.
    pub const fn new(json: serde_json::Value) -> Self {
        Self(json)
    }

    /// Reads the command.
    ///
    /// # Errors
    /// [`Error::UnknownCommand`] if the core has no such command, or it has other fields.
    pub fn parse(self) -> Result<Command, Error> {
        serde_json::from_value(self.0).map_err(|_| Error::UnknownCommand)
    }
}

impl fmt::Debug for RawCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawCommand(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoder, encode};
    use serde_json::json;

    #[test]
    fn a_command_arrives_as_the_web_ui_sent_it() {
        let sent = FromWindow::Command {
            id: 7,
            command: RawCommand::new(
                json!({ "type": "reconnect", "gateway": "gw-1", "role": null }),
            ),
        };
        let mut decoder = Decoder::<FromWindow>::default();
        decoder.push(&encode(&sent).expect("a small message"));
        let Some(Ok(FromWindow::Command { id: 7, command })) = decoder.next() else {
            panic!("the command did not arrive")
        };
        let command = command.parse().expect("a command of the core");
        assert!(
            matches!(command, Command::Reconnect { gateway: Some(id), role: None } if id == "gw-1")
        );
    }

    #[test]
    fn a_command_is_never_printed() {
        let command = FromWindow::Command {
            id: 1,
            command: RawCommand::new(json!({ "type": "pair", "code": "CANARY" })),
        };
        assert!(!format!("{command:?}").contains("CANARY"));
        let wrong = RawCommand::new(json!({ "type": "CANARY" }));
        let error = wrong.parse().expect_err("no such command");
        assert_eq!(error, Error::UnknownCommand);
    }

    #[test]
    fn messages_keep_their_form() {
        let lines = [
            encode(&ToWindow::Show),
            encode(&ToWindow::Close),
            encode(&ToWindow::Answer {
                id: 3,
                answer: Answer::Done(Done::Done),
            }),
            encode(&FromWindow::Hello {
                version: "0.1.0".to_owned(),
            }),
        ]
        .map(|line| String::from_utf8(line.expect("a small message")).expect("text"));
        assert_eq!(
            lines,
            [
                "\"show\"\n",
                "\"close\"\n",
                "{\"answer\":{\"id\":3,\"answer\":{\"done\":{\"type\":\"done\"}}}}\n",
                "{\"hello\":{\"version\":\"0.1.0\"}}\n",
            ]
        );
    }
}
