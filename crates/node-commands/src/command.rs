use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use crate::system_notify::{self, Notifier};
use crate::system_which;

/// Codes of a [`CommandError`], as a gateway sees them in `error.code` of an invoke result.
pub mod code {
    /// The parameters are not JSON, lack something, or hold something this command refuses.
    pub const INVALID_REQUEST: &str = "INVALID_REQUEST";
    /// This desktop shows no notifications now.
    pub const NOTIFICATIONS_UNAVAILABLE: &str = "NOTIFICATIONS_UNAVAILABLE";
    /// No command has that name.
    pub const UNKNOWN_COMMAND: &str = "UNKNOWN_COMMAND";
    /// The command stopped before it had a result.
    pub const UNAVAILABLE: &str = "UNAVAILABLE";
}

/// One thing that a gateway can ask of this machine.
#[derive(Debug)]
pub struct NodeCommand {
    /// Name on the wire, such as `system.which`.
    pub name: &'static str,
    /// The entry of the node's `caps` that it belongs to, such as `system`.
    pub capability: &'static str,
    /// One plain sentence for the person who is asked to allow it.
    pub description: &'static str,
    /// True when it changes nothing on this machine and reveals nothing private, so that no yes is needed per call.
    pub harmless: bool,
    perform: Perform,
}

/// Takes the parsed parameters (`{}` when none were sent) and answers the payload. It may block.
type Perform = fn(Value, &dyn Notifier) -> Result<Value, CommandError>;

/// Why a command gave no payload; both fields go to the gateway as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CommandError {
    /// One of the constants in [`code`].
    pub code: &'static str,
    /// One plain sentence.
    pub message: String,
}

/// Every command that this machine can declare to a gateway, sorted by name.
pub fn commands() -> &'static [NodeCommand] {
    COMMANDS
}

/// Runs `command` off the async threads and answers its payload.
///
/// `params_json` is the string of the wire's `paramsJSON`; absent and `null` both mean `{}`.
///
/// # Errors
/// [`CommandError`] with `UNKNOWN_COMMAND`, with `INVALID_REQUEST` for parameters that do not fit, or with the
/// command's own code.
pub async fn run(
    command: &str,
    params_json: Option<&str>,
    desktop: &Arc<dyn Notifier>,
) -> Result<Value, CommandError> {
    let Some(found) = commands().iter().find(|entry| entry.name == command) else {
        return Err(CommandError {
            code: code::UNKNOWN_COMMAND,
            message: "This computer has no such command.".to_owned(),
        });
    };
    let params = parse(params_json)?;
    let desktop = Arc::clone(desktop);
    let outcome = tokio::task::spawn_blocking(move || (found.perform)(params, &*desktop)).await;
    let result = outcome.unwrap_or_else(|_| {
        Err(CommandError {
            code: code::UNAVAILABLE,
            message: "The command stopped before it was done.".to_owned(),
        })
    });
    debug!(
        command = found.name,
        ok = result.is_ok(),
        "node command ran"
    );
    result
}

/// Reads the parameters of one command; fields that it does not name are ignored.
pub(crate) fn read<P: DeserializeOwned>(params: Value) -> Result<P, CommandError> {
    serde_json::from_value(params)
        .map_err(|source| invalid(format!("The parameters do not fit: {source}.")))
}

pub(crate) fn invalid(message: impl Into<String>) -> CommandError {
    CommandError {
        code: code::INVALID_REQUEST,
        message: message.into(),
    }
}

fn parse(params_json: Option<&str>) -> Result<Value, CommandError> {
    let params = match params_json {
        Some(text) => {
            serde_json::from_str(text).map_err(|_| invalid("The parameters are not valid JSON."))?
        }
        None => Value::Null,
    };
    match params {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(params),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(invalid("The parameters must be a JSON object."))
        }
    }
}

const COMMANDS: &[NodeCommand] = &[
    NodeCommand {
        name: "system.notify",
        capability: "system",
        description: "Show a notification on this desktop.",
        harmless: true,
        perform: system_notify::perform,
    },
    NodeCommand {
        name: "system.which",
        capability: "system",
        description: "Say where programs are installed, by their names.",
        harmless: true,
        perform: system_which::perform,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_notify::{Notification, NotifyError};
    use serde_json::json;

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<_> = commands().iter().map(|command| command.name).collect();
        assert_eq!(names, ["system.notify", "system.which"]);
    }

    #[tokio::test]
    async fn refuses_what_is_not_a_known_command_with_an_object() {
        let cases = [
            ("system.reboot", None, code::UNKNOWN_COMMAND),
            ("SYSTEM.WHICH", Some("{}"), code::UNKNOWN_COMMAND),
            ("system.which", Some("{"), code::INVALID_REQUEST),
            ("system.which", Some("[]"), code::INVALID_REQUEST),
            ("system.which", Some("\"git\""), code::INVALID_REQUEST),
            ("system.which", Some("null"), code::INVALID_REQUEST),
            ("system.which", None, code::INVALID_REQUEST),
        ];
        let desktop: Arc<dyn Notifier> = Arc::new(Silent);
        for (command, params, expected) in cases {
            let error = run(command, params, &desktop).await.unwrap_err();
            assert_eq!(error.code, expected, "{command} {params:?}");
        }
    }

    #[tokio::test]
    async fn answers_the_payload_of_the_command() {
        let desktop: Arc<dyn Notifier> = Arc::new(Silent);
        let sent = run("system.notify", Some(r#"{"title":"Hi"}"#), &desktop).await;
        assert_eq!(sent, Ok(json!({ "sent": true })));
        let found = run("system.which", Some(r#"{"bins":["no such"]}"#), &desktop).await;
        assert_eq!(found, Ok(json!({ "bins": {} })));
    }

    #[tokio::test]
    async fn a_panicking_desktop_becomes_an_error() {
        let desktop: Arc<dyn Notifier> = Arc::new(Panicking);
        let error = run("system.notify", Some(r#"{"title":"Hi"}"#), &desktop)
            .await
            .unwrap_err();
        assert_eq!(error.code, code::UNAVAILABLE);
    }

    struct Silent;

    impl Notifier for Silent {
        fn notify(&self, _: Notification) -> Result<(), NotifyError> {
            Ok(())
        }
    }

    struct Panicking;

    impl Notifier for Panicking {
        fn notify(&self, _: Notification) -> Result<(), NotifyError> {
            panic!("the desktop is gone")
        }
    }
}
