//! Why a command did not do what was asked, and the exit code for it.

use companion_core::{Problem, ProblemCode};
use companion_store::DataDir;
use control_endpoint::{ClientError, Refusal};
use serde_json::{Value, json};
use std::{fmt, io, process::ExitCode};

/// The exit codes; a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It is done.
    Done = 0,
    /// Refused, or it failed.
    Failed = 1,
    /// Typed wrongly.
    Usage = 2,
    /// No companion to ask.
    NotRunning = 3,
    /// A person has to act first.
    Waiting = 4,
}

impl Exit {
    pub(super) fn code(self) -> i32 {
        self as i32
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What happened and what to do. Shown as text, or as `{"error":{"code","message","remedy"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    /// Stable, snake case.
    pub(super) code: String,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Failure {
    fn new(exit: Exit, code: &str, message: impl Into<String>, remedy: &str) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            remedy: remedy.to_owned(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "remedy": self.remedy } })
    }

    pub(super) fn usage(text: &str) -> Self {
        Self::new(Exit::Usage, "usage", text, "See: claw-companion --help")
    }

    fn not_running(message: &str) -> Self {
        let remedy = "Start it with: claw-companion run";
        Self::new(Exit::NotRunning, "not_running", message, remedy)
    }

    /// Another process holds the folder, but does not listen.
    pub(super) fn not_answering(dir: &DataDir) -> Self {
        Self::new(
            Exit::Failed,
            "not_answering",
            format!(
                "Another Claw Companion uses {} but does not answer.",
                dir.path().display()
            ),
            "Wait a moment and try again, or end that process.",
        )
    }

    /// `run` ended before it began.
    pub(super) fn start_failed(error: &anyhow::Error) -> Self {
        Self::new(
            Exit::Failed,
            "start_failed",
            format!("Claw Companion could not start: {error:#}."),
            "Mend what the message names, then start it again.",
        )
    }

    pub(super) fn still_ending() -> Self {
        Self::new(
            Exit::Failed,
            "still_ending",
            "The companion was told to end, but it still runs.",
            "Wait a moment, or end its process.",
        )
    }

    pub(super) fn confirmation_required() -> Self {
        Self::new(
            Exit::Waiting,
            "confirmation_required",
            "A person has to say yes to this, and nobody can be asked here.",
            "Run it in a terminal, or add --yes.",
        )
    }

    pub(super) fn declined() -> Self {
        let message = "Nothing was changed.";
        Self::new(Exit::Failed, "declined", message, "Answer y to go on.")
    }

    pub(super) fn unreadable_input(place: &str, error: &io::Error) -> Self {
        Self::new(
            Exit::Failed,
            "input_unreadable",
            format!("{place} cannot be read: {error}."),
            "Check the name and that it holds plain text.",
        )
    }

    pub(super) fn token_missing() -> Self {
        Self::new(
            Exit::Usage,
            "token_missing",
            "There is no token on standard input.",
            "Pipe the gateway's token in: claw-companion connect --url URL --token-stdin < FILE",
        )
    }

    /// What answers is a companion, but not of this version.
    pub(super) fn answer_unreadable() -> Self {
        Self::new(
            Exit::Failed,
            "answer_unreadable",
            "The companion gave an answer that cannot be read.",
            "The running one may be another version: start it again.",
        )
    }

    /// A person has to act at the gateway.
    pub(super) fn waiting(problem: Problem) -> Self {
        Self {
            exit: Exit::Waiting,
            ..problem.into()
        }
    }

    /// Time is up; `reason` is what stood in the way last.
    pub(super) fn not_ready_in_time(seconds: u64, reason: Option<&Problem>) -> Self {
        let mut message = format!("Not ready within {seconds} seconds.");
        if let Some(problem) = reason {
            message = format!("{message} {}. {}", problem.title, problem.detail);
        }
        let remedy = reason.map_or(
            "It goes on in the companion. See how it goes: claw-companion status",
            |problem| &problem.remedy.text,
        );
        Self::new(Exit::Failed, "not_ready_in_time", message, remedy)
    }

    /// The gateway was dropped while it was being waited for.
    pub(super) fn gone() -> Self {
        Self::from(Problem::unknown_gateway())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.message, self.remedy)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Refusal {
            code: problem.code.as_str().to_owned(),
            message: format!("{}. {}", problem.title, problem.detail),
            remedy: problem.remedy.text,
        }
        .into()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if refusal.code == ProblemCode::Quitting.as_str() {
            return Self::not_running("Claw Companion is ending.");
        }
        Self::new(
            Exit::Failed,
            &refusal.code,
            refusal.message,
            &refusal.remedy,
        )
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let (code, remedy) = match error {
            ClientError::NotRunning => return Self::not_running("Claw Companion is not running."),
            ClientError::Stale => {
                return Self::not_running(
                    "Claw Companion is not running; another program uses its port.",
                );
            }
            ClientError::Lost(_) => return Self::not_running("Claw Companion has ended."),
            ClientError::Refused(refusal) => return refusal.into(),
            ClientError::Store(_) => (
                "data_folder_unusable",
                "Check the data folder, or name another in CLAW_COMPANION_HOME.",
            ),
            ClientError::Unreachable(_) => {
                ("unreachable", "Check what keeps programs from 127.0.0.1.")
            }
            ClientError::TimedOut => ("not_answering", "Try again, or start the companion again."),
            ClientError::Unreadable(_) => return Self::answer_unreadable(),
        };
        let mut message = error.to_string();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self::new(Exit::Failed, code, format!("{message}."), remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_fail_has_its_exit_code() {
        let refused = |code: &str| {
            ClientError::Refused(Refusal {
                code: code.to_owned(),
                message: "m".to_owned(),
                remedy: "r".to_owned(),
            })
        };
        for (failure, exit, code) in [
            (ClientError::NotRunning.into(), 3, "not_running"),
            (ClientError::Stale.into(), 3, "not_running"),
            (ClientError::Lost("x".into()).into(), 3, "not_running"),
            (refused("quitting").into(), 3, "not_running"),
            (refused("setup_code_used").into(), 1, "setup_code_used"),
            (ClientError::TimedOut.into(), 1, "not_answering"),
            (Failure::usage("x"), 2, "usage"),
            (Failure::confirmation_required(), 4, "confirmation_required"),
            (
                Problem::setup_code_expired().into(),
                1,
                "setup_code_expired",
            ),
            (
                Failure::waiting(Problem::approval_needed(
                    gateway_protocol::Role::Operator,
                    Some("r-1"),
                )),
                4,
                "approval_needed",
            ),
            (Failure::not_ready_in_time(5, None), 1, "not_ready_in_time"),
        ] {
            let failure: Failure = failure;
            assert_eq!((failure.exit.code(), failure.code.as_str()), (exit, code));
        }
    }

    #[test]
    fn an_approval_names_the_request_and_the_command() {
        let problem = Problem::approval_needed(gateway_protocol::Role::Operator, Some("r-1"));
        let remedy = Failure::waiting(problem).remedy;
        assert!(remedy.ends_with("openclaw devices approve r-1"), "{remedy}");
    }
}
