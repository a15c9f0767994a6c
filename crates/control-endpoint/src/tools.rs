//! What can be asked over MCP: one table.

use crate::message::Arguments;
use companion_core::{Command, Problem, Snapshot};
use companion_runtime::Companion;
use http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
        ToolAnnotations,
    },
    service::RequestContext,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The longest that `status` waits for a change.
pub(crate) const MAX_WAIT_SECONDS: u64 = 50;
const WAIT_SECONDS: u64 = 25;

/// Answers the protocol's requests. Made anew for each request; holds no state of its own.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) companion: Companion,
    /// Ends every wait: the listener is closing.
    pub(crate) closing: CancellationToken,
}

struct Entry {
    name: &'static str,
    description: &'static str,
    properties: fn() -> Value,
    required: &'static [&'static str],
    annotations: fn(ToolAnnotations) -> ToolAnnotations,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Status,
    Gateways,
    /// The command whose `type` is the tool's name.
    Command,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusArguments {
    after_revision: Option<u64>,
    wait_seconds: Option<u64>,
}

/// A failed call as programs read it: stable code, what happened, what to do.
#[derive(Serialize)]
struct ToolError {
    code: &'static str,
    message: String,
    remedy: String,
}

impl Tools {
    async fn answer(
        &self,
        entry: &Entry,
        arguments: Map<String, Value>,
        cancelled: &CancellationToken,
    ) -> Result<Value, ToolError> {
        match entry.kind {
            Kind::Status => {
                let arguments = Value::Object(arguments);
                let arguments: StatusArguments =
                    serde_json::from_value(arguments).map_err(|_| ToolError::arguments())?;
                self.wait_for_change(&arguments, cancelled).await?;
                json_of(&*self.companion.snapshot())
            }
            Kind::Gateways if arguments.is_empty() => {
                let snapshot: &Snapshot = &self.companion.snapshot();
                Ok(json!({ "gateways": json_of(&snapshot.gateways)? }))
            }
            Kind::Gateways => Err(ToolError::arguments()),
            Kind::Command => {
                let command = entry.command(arguments)?;
                json_of(&self.companion.send(command).await?)
            }
        }
    }

    async fn wait_for_change(
        &self,
        arguments: &StatusArguments,
        cancelled: &CancellationToken,
    ) -> Result<(), ToolError> {
        let seconds = arguments.wait_seconds.unwrap_or(WAIT_SECONDS);
        if seconds > MAX_WAIT_SECONDS {
            return Err(ToolError::arguments());
        }
        let Some(known) = arguments.after_revision else {
            return Ok(());
        };
        let mut snapshots = self.companion.subscribe();
        // also a lower one: it belongs to a companion that was started since
        let change = snapshots.wait_for(|snapshot| snapshot.revision != known);
        tokio::select! {
            waited = timeout(Duration::from_secs(seconds), change) => match waited {
                Ok(Err(_)) => Err(Problem::quitting().into()),
                Ok(Ok(_)) | Err(_) => Ok(()),
            },
            () = self.closing.cancelled() => Err(Problem::quitting().into()),
            () = cancelled.cancelled() => Ok(()),
        }
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new("claw-companion", env!("CARGO_PKG_VERSION"))
                    .with_title("Claw Companion"),
            )
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = TOOLS.iter().map(Entry::describe).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        Entry::named(name).map(Entry::describe)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(entry) = Entry::named(&request.name) else {
            return Err(ErrorData::invalid_params("There is no such tool.", None));
        };
        let arguments = context
            .extensions
            .get::<Parts>()
            .and_then(|parts| parts.extensions.get::<Arguments>())
            .map(Arguments::to_map)
            .unwrap_or_default();
        match entry.kind {
            Kind::Status | Kind::Gateways => tracing::debug!(tool = entry.name, "tool called"),
            Kind::Command => tracing::info!(tool = entry.name, "tool called"),
        }
        let result = match self.answer(entry, arguments, &context.ct).await {
            Ok(value) => CallToolResult::structured(value),
            Err(error) => {
                tracing::info!(tool = entry.name, code = error.code, "tool refused");
                CallToolResult::structured_error(json!({ "error": error }))
            }
        };
        Ok(result.into())
    }
}

impl Entry {
    fn named(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|entry| entry.name == name)
    }

    fn describe(&self) -> Tool {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), (self.properties)());
        schema.insert("required".to_owned(), self.required.into());
        schema.insert("additionalProperties".to_owned(), false.into());
        Tool::new(self.name, self.description, Arc::new(schema))
            .with_annotations((self.annotations)(ToolAnnotations::default()))
    }

    /// The arguments are exactly the command's fields.
    fn command(&self, mut arguments: Map<String, Value>) -> Result<Command, ToolError> {
        let known = (self.properties)();
        if arguments.keys().any(|name| known.get(name).is_none()) {
            return Err(ToolError::arguments());
        }
        // a caller that fills in every optional field means the default
        arguments.retain(|_, value| !value.is_null());
        arguments.insert("type".to_owned(), self.name.into());
        serde_json::from_value(Value::Object(arguments)).map_err(|_| ToolError::arguments())
    }
}

impl ToolError {
    /// Never says which value: it may be a secret, and the MCP library logs answers.
    fn arguments() -> Self {
        Self {
            code: "invalid_arguments",
            message: "The arguments do not fit this tool.".to_owned(),
            remedy: "Call it again as its input schema says.".to_owned(),
        }
    }

    fn internal() -> Self {
        Self {
            code: "internal",
            message: "The answer could not be written.".to_owned(),
            remedy: "Report this with the companion's log.".to_owned(),
        }
    }
}

impl From<Problem> for ToolError {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.as_str(),
            message: format!("{}. {}", problem.title, problem.detail),
            remedy: problem.remedy.text,
        }
    }
}

fn json_of<T: Serialize>(value: &T) -> Result<Value, ToolError> {
    serde_json::to_value(value).map_err(|_| ToolError::internal())
}

const INSTRUCTIONS: &str = "Claw Companion keeps this computer connected to OpenClaw gateways: as an operator \
(control) and as a node (offers commands to agents). Begin with `status`. Every problem in it carries a remedy; \
tell the person what it says instead of guessing.";

const APPROVE_NODE: &str = "true only if the person said yes to offering this computer's node commands to agents of \
this gateway.";

const TOOLS: &[Entry] = &[
    Entry {
        name: "status",
        description: "The whole state: overall, problems with remedies, and for every gateway how its operator and \
            node connections stand. To follow changes pass the revision of the last answer as afterRevision; the \
            call then returns as soon as something changed, or after waitSeconds with the same revision.",
        properties: || {
            json!({
                "afterRevision": { "type": "integer", "minimum": 0, "description": "Return only when the revision differs from this one." },
                "waitSeconds": { "type": "integer", "minimum": 0, "maximum": MAX_WAIT_SECONDS, "default": WAIT_SECONDS, "description": "How long to wait for that." },
            })
        },
        required: &[],
        annotations: |hints| hints.read_only(true).open_world(false),
        kind: Kind::Status,
    },
    Entry {
        name: "gateways",
        description: "Every gateway that this computer knows, the primary one first: id, name, address, state.",
        properties: || json!({}),
        required: &[],
        annotations: |hints| hints.read_only(true).open_world(false),
        kind: Kind::Gateways,
    },
    Entry {
        name: "pair",
        description: "Pair with a gateway by a setup code that the person got from it (openclaw qr). Answers as soon \
            as it is stored, with the gateway's id; follow it with status. Ask the person first: the code may hold \
            full control of that gateway.",
        properties: || {
            json!({
                "code": { "type": "string", "description": "The setup code, or an oc-pair:// link." },
                "access": { "type": "string", "enum": ["full", "limited", "node"], "default": "full", "description": "The most to ask for: full control, an operator without administration, or a node only." },
                "approveNode": { "type": "boolean", "default": false, "description": APPROVE_NODE },
            })
        },
        required: &["code"],
        annotations: |hints| hints.read_only(false).destructive(false).idempotent(false),
        kind: Kind::Command,
    },
    Entry {
        name: "connect",
        description: "Connect to a gateway with its own token or password. Answers as soon as it is stored, with the \
            gateway's id; follow it with status.",
        properties: || {
            json!({
                "url": { "type": "string", "description": "The gateway's address: wss://host, or ws:// on this computer or network." },
                "token": { "type": "string", "description": "The gateway's token or password." },
                "approveNode": { "type": "boolean", "default": false, "description": APPROVE_NODE },
            })
        },
        required: &["url", "token"],
        annotations: |hints| hints.read_only(false).destructive(false).idempotent(true),
        kind: Kind::Command,
    },
    Entry {
        name: "forget",
        description: "Drop a gateway: disconnects it and deletes its keys and tokens. To come back it must be paired \
            again. Ask the person first.",
        properties: || json!({ "gateway": { "type": "string", "description": "Its id or name." } }),
        required: &["gateway"],
        annotations: |hints| {
            hints
                .read_only(false)
                .destructive(true)
                .idempotent(false)
                .open_world(false)
        },
        kind: Kind::Command,
    },
    Entry {
        name: "reconnect",
        description: "Close and dial again now, for one gateway or all, in one role or both.",
        properties: || {
            json!({
                "gateway": { "type": ["string", "null"], "description": "Its id or name; all gateways if absent." },
                "role": { "type": ["string", "null"], "enum": ["operator", "node", null], "description": "Both if absent." },
            })
        },
        required: &[],
        annotations: |hints| hints.read_only(false).destructive(false).idempotent(true),
        kind: Kind::Command,
    },
    Entry {
        name: "open_window",
        description: "Show the companion's window to the person at this computer.",
        properties: || json!({}),
        required: &[],
        annotations: |hints| {
            hints
                .read_only(false)
                .destructive(false)
                .idempotent(true)
                .open_world(false)
        },
        kind: Kind::Command,
    },
    Entry {
        name: "quit",
        description: "End the companion. Its connections close and it no longer answers here. Ask the person first.",
        properties: || json!({}),
        required: &[],
        annotations: |hints| {
            hints
                .read_only(false)
                .destructive(true)
                .idempotent(true)
                .open_world(false)
        },
        kind: Kind::Command,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_client_accepts_them() {
        let mut names: Vec<_> = TOOLS.iter().map(|entry| entry.name).collect();
        assert!(names.iter().all(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOOLS.len());
    }

    #[test]
    fn what_a_schema_names_is_what_its_command_takes() {
        for entry in TOOLS.iter().filter(|entry| entry.kind == Kind::Command) {
            let sample = |property: &Value| match (&property["enum"][0], &property["type"]) {
                (Value::String(first), _) => json!(first),
                (_, kind) if *kind == "boolean" => json!(true),
                _ => json!("x"),
            };
            let properties = (entry.properties)();
            let all: Map<String, Value> = properties
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, property)| (name.clone(), sample(property)))
                .collect();
            assert!(
                entry.command(all.clone()).is_ok(),
                "{} with all",
                entry.name
            );
            let mut least = all.clone();
            least.retain(|name, _| entry.required.contains(&name.as_str()));
            assert!(
                entry.command(least.clone()).is_ok(),
                "{} with least",
                entry.name
            );
            for required in entry.required {
                let mut without = all.clone();
                without.remove(*required);
                assert!(
                    entry.command(without).is_err(),
                    "{} without {required}",
                    entry.name
                );
            }
            let mut more = all.clone();
            more.insert("more".to_owned(), json!(1));
            assert!(entry.command(more).is_err(), "{} with more", entry.name);
        }
    }

    #[test]
    fn refused_arguments_are_not_repeated() {
        let pair = Entry::named("pair").unwrap();
        let mut arguments = Map::new();
        arguments.insert("code".to_owned(), json!(["CANARY"]));
        let error = pair.command(arguments).err().unwrap();
        assert!(!json!(error).to_string().contains("CANARY"));
    }
}
