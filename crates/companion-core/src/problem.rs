//! What went wrong, for people. Built here and nowhere else; every code has a heading in `docs/troubleshooting.md`.

use crate::time::Timestamp;
use gateway_protocol::{
    DetailCode, EndpointError, Fingerprint, GatewayError, Role, SetupCodeError,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Something a person may want to know or has to act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Problem {
    /// Stable, for programs.
    pub code: ProblemCode,
    /// A few words.
    pub title: String,
    /// One or two sentences: what happened.
    pub detail: String,
    /// What to do.
    pub remedy: Remedy,
    /// How much it matters.
    pub severity: Severity,
}

/// What to do about a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Remedy {
    /// What a button would do.
    pub action: RemedyAction,
    /// The same in a sentence.
    pub text: String,
    /// A command to copy and run; the text says where.
    pub command: Option<String>,
}

/// The buttons that a remedy can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RemedyAction {
    /// Nothing to do: it goes on by itself.
    Wait,
    /// Paste a new setup code.
    PasteSetupCode,
    /// Try again now.
    Reconnect,
    /// Approve at the gateway, with `command`.
    ApproveAtGateway,
    /// Enter the gateway's token again.
    EnterToken,
    /// Unlock or choose a secret store.
    OpenSecretStore,
    /// Update one side.
    Update,
    /// Look at the named place.
    Inspect,
}

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Fails, and is tried again.
    Trouble,
    /// A person has to act.
    NeedsYou,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// The stable name of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
        #[ts(export)]
        pub enum ProblemCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As it stands in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// The pasted text is no setup code.
    SetupCodeInvalid = "setup_code_invalid",
    /// Its ten minutes are over.
    SetupCodeExpired = "setup_code_expired",
    /// We used it already.
    SetupCodeUsed = "setup_code_used",
    /// The gateway did not take it and does not say why.
    SetupCodeRefused = "setup_code_refused",
    /// The code gives no operator access.
    OperatorNotInCode = "operator_not_in_code",
    /// An address that no gateway can have.
    AddressRefused = "address_refused",
    /// Nothing answers there.
    GatewayUnreachable = "gateway_unreachable",
    /// Something answers, but it is not a gateway.
    NotAGateway = "not_a_gateway",
    /// TLS could not be established.
    TlsFailed = "tls_failed",
    /// The certificate is not the pinned one.
    CertificateChanged = "certificate_changed",
    /// The connection was lost and is being made again.
    ConnectionLost = "connection_lost",
    /// Somebody has to approve this device.
    ApprovalNeeded = "approval_needed",
    /// Somebody has to approve this computer's commands.
    NodeSurfacePending = "node_surface_pending",
    /// The gateway withholds commands that this computer offers.
    CommandsWithheld = "commands_withheld",
    /// The gateway does not take this role's token any more.
    DeviceTokenRejected = "device_token_rejected",
    /// The gateway does not take its shared token.
    SharedTokenRejected = "shared_token_rejected",
    /// There is nothing to sign in with.
    CredentialMissing = "credential_missing",
    /// The gateway granted less than this product needs.
    ScopesMissing = "scopes_missing",
    /// Too many failed sign-ins from this address.
    RateLimited = "rate_limited",
    /// No common protocol version.
    ProtocolMismatch = "protocol_mismatch",
    /// The gateway refused the connection for a reason of its own.
    ConnectionRefused = "connection_refused_by_gateway",
    /// No secret store can be reached.
    SecretStoreUnavailable = "secret_store_unavailable",
    /// The secret store is locked.
    SecretStoreLocked = "secret_store_locked",
    /// The secret store answers, but what it holds cannot be used.
    SecretStoreFailed = "secret_store_failed",
    /// A token could not be stored.
    TokenNotSaved = "token_not_saved",
    /// The gateway's record could not be stored.
    RecordNotSaved = "record_not_saved",
    /// A stored file cannot be read.
    StateUnreadable = "state_unreadable",
    /// No gateway has this id or name.
    UnknownGateway = "unknown_gateway",
    /// The companion's own gateway could not be started.
    LocalGatewayFailed = "local_gateway_failed",
    /// The companion is about to end.
    Quitting = "quitting",
}

impl Problem {
    fn new(
        code: ProblemCode,
        severity: Severity,
        title: &str,
        detail: impl Into<String>,
        remedy: Remedy,
    ) -> Self {
        Self {
            code,
            title: title.to_owned(),
            detail: detail.into(),
            remedy,
            severity,
        }
    }

    /// The pasted text cannot be used.
    pub fn setup_code_invalid(error: &SetupCodeError) -> Self {
        Self::new(
            ProblemCode::SetupCodeInvalid,
            Severity::NeedsYou,
            "This is not a usable setup code",
            sentence(&error.to_string()),
            paste("Copy the whole setup code from the gateway and paste it again."),
        )
    }

    /// Its time is over.
    pub fn setup_code_expired() -> Self {
        Self::new(
            ProblemCode::SetupCodeExpired,
            Severity::NeedsYou,
            "The setup code has expired",
            "A setup code works for ten minutes; this one is older.",
            new_code(),
        )
    }

    /// It was applied here before.
    pub fn setup_code_used() -> Self {
        Self::new(
            ProblemCode::SetupCodeUsed,
            Severity::Info,
            "This setup code was used already",
            "It was applied on this computer before. Nothing was changed.",
            new_code(),
        )
    }

    /// The gateway refused it, in every way that it may be asked.
    pub fn setup_code_refused() -> Self {
        Self::new(
            ProblemCode::SetupCodeRefused,
            Severity::NeedsYou,
            "The gateway did not take the setup code",
            "It was used already, has expired, or was not made for this. What was paired before still works.",
            new_code(),
        )
    }

    /// The code was good for a node only.
    pub fn operator_not_in_code() -> Self {
        Self::new(
            ProblemCode::OperatorNotInCode,
            Severity::Info,
            "This setup code is for a node only",
            "This computer can be used by agents, but cannot chat or approve.",
            paste(
                "For chat and approvals make a full setup code on the gateway (openclaw qr) and paste it.",
            ),
        )
    }

    /// The address cannot be used.
    pub fn address_refused(error: EndpointError) -> Self {
        Self::new(
            ProblemCode::AddressRefused,
            Severity::NeedsYou,
            "This address cannot be used",
            sentence(&error.to_string()),
            remedy(
                RemedyAction::Inspect,
                "Check the address: it looks like wss://host or ws://127.0.0.1:18789.",
            ),
        )
    }

    /// Nobody answers.
    pub fn gateway_unreachable(place: &str) -> Self {
        Self::new(
            ProblemCode::GatewayUnreachable,
            Severity::Trouble,
            "The gateway does not answer",
            format!("Nothing answers at {place}. It is tried again by itself."),
            remedy(
                RemedyAction::Wait,
                "Check that the gateway runs and that this computer can reach it.",
            ),
        )
    }

    /// Something else answers.
    pub fn not_a_gateway(place: &str, status: Option<u16>) -> Self {
        let detail = match status {
            Some(401 | 403 | 407) => {
                format!("Something at {place} asks for a login before the gateway.")
            }
            Some(code @ 300..=399) => {
                format!("{place} sends elsewhere (HTTP {code}), which is not followed.")
            }
            Some(code) => {
                format!("What answers at {place} is not an OpenClaw gateway (HTTP {code}).")
            }
            None => format!("What answers at {place} is not an OpenClaw gateway."),
        };
        Self::new(
            ProblemCode::NotAGateway,
            Severity::Trouble,
            "This is not a gateway",
            detail,
            remedy(
                RemedyAction::Inspect,
                "Check host and port of the gateway, and any proxy in front of it.",
            ),
        )
    }

    /// TLS failed for a reason other than a changed pin.
    pub fn tls_failed(place: &str) -> Self {
        Self::new(
            ProblemCode::TlsFailed,
            Severity::NeedsYou,
            "No secure connection",
            format!(
                "The certificate of {place} cannot be trusted, or the secure connection failed."
            ),
            remedy(
                RemedyAction::Inspect,
                "Check the gateway's certificate and this computer's clock.",
            ),
        )
    }

    /// Another certificate than the pinned one: nothing was sent.
    pub fn certificate_changed(expected: &Fingerprint, found: &Fingerprint) -> Self {
        Self::new(
            ProblemCode::CertificateChanged,
            Severity::NeedsYou,
            "The gateway shows another certificate",
            format!("Expected {expected}, found {found}. Nothing was sent."),
            paste("If the certificate was renewed on purpose, pair again with a new setup code."),
        )
    }

    /// A connection that stood is gone.
    pub fn connection_lost() -> Self {
        Self::new(
            ProblemCode::ConnectionLost,
            Severity::Trouble,
            "Connection lost",
            "The connection to the gateway ended. It is made again by itself.",
            remedy(RemedyAction::Wait, "Nothing to do unless it lasts."),
        )
    }

    /// The device waits for approval in this role.
    pub fn approval_needed(role: Role, request_id: Option<&str>) -> Self {
        let what = match role {
            Role::Operator => "to control the gateway",
            Role::Node => "to offer its commands to agents",
        };
        Self::new(
            ProblemCode::ApprovalNeeded,
            Severity::NeedsYou,
            "Approve this computer at the gateway",
            format!(
                "The gateway asks a person before it lets this computer in {what}. It goes on by itself then."
            ),
            approve("devices", request_id),
        )
    }

    /// The node is connected, but its commands wait for approval.
    pub fn node_surface_pending(request_id: Option<&str>) -> Self {
        Self::new(
            ProblemCode::NodeSurfacePending,
            Severity::NeedsYou,
            "Approve this computer's commands",
            "The node is connected, but agents cannot use its commands until they are approved.",
            approve("nodes", request_id),
        )
    }

    /// The gateway's policy holds commands back.
    pub fn commands_withheld(commands: &[String]) -> Self {
        Self::new(
            ProblemCode::CommandsWithheld,
            Severity::Info,
            "The gateway withholds commands",
            format!(
                "Offered here but not admitted by the gateway: {}.",
                commands.join(", ")
            ),
            remedy(
                RemedyAction::Inspect,
                "The gateway's owner can admit them under gateway.nodes.commands.allow in its configuration.",
            ),
        )
    }

    /// The stored token of this role is no longer taken.
    pub fn device_token_rejected(role: Role) -> Self {
        Self::new(
            ProblemCode::DeviceTokenRejected,
            Severity::NeedsYou,
            "The gateway no longer knows this computer",
            format!("Its {role} token was revoked, rotated or removed at the gateway."),
            paste("Make a new setup code on the gateway (openclaw qr) and paste it."),
        )
    }

    /// The shared token is wrong.
    pub fn shared_token_rejected() -> Self {
        Self::new(
            ProblemCode::SharedTokenRejected,
            Severity::NeedsYou,
            "The gateway refused the token",
            "The gateway's own token was changed or mistyped. What was paired before still works.",
            remedy(
                RemedyAction::EnterToken,
                "Enter the gateway's current token.",
            ),
        )
    }

    /// Nothing to sign in with.
    pub fn credential_missing(role: Role) -> Self {
        Self::new(
            ProblemCode::CredentialMissing,
            Severity::NeedsYou,
            "Not signed in",
            format!("There is no stored {role} token for this gateway."),
            paste("Make a setup code on the gateway (openclaw qr) and paste it."),
        )
    }

    /// Connected with less than was asked for.
    pub fn scopes_missing(missing: &str) -> Self {
        Self::new(
            ProblemCode::ScopesMissing,
            Severity::NeedsYou,
            "The gateway granted less than was asked for",
            format!("Missing: {missing}."),
            paste("Make a full setup code on the gateway (openclaw qr) and paste it."),
        )
    }

    /// Locked out for a while.
    pub fn rate_limited(until: Timestamp) -> Self {
        Self::new(
            ProblemCode::RateLimited,
            Severity::Trouble,
            "Too many failed sign-ins",
            format!(
                "The gateway accepts no sign-in from this address until {}.",
                until.to_rfc3339()
            ),
            remedy(RemedyAction::Wait, "It is tried once then."),
        )
    }

    /// One side is too old.
    pub fn protocol_mismatch(expected: Option<u32>) -> Self {
        let (detail, text) = match expected {
            Some(version) if version > gateway_protocol::PROTOCOL_VERSION => (
                format!(
                    "The gateway speaks protocol {version}, this companion {}.",
                    gateway_protocol::PROTOCOL_VERSION
                ),
                "Update Claw Companion.",
            ),
            Some(version) => (
                format!(
                    "The gateway speaks protocol {version}, this companion {}.",
                    gateway_protocol::PROTOCOL_VERSION
                ),
                "Update the gateway.",
            ),
            None => (
                "The two speak different versions of the protocol.".to_owned(),
                "Update the gateway and Claw Companion.",
            ),
        };
        Self::new(
            ProblemCode::ProtocolMismatch,
            Severity::NeedsYou,
            "Versions do not fit",
            detail,
            remedy(RemedyAction::Update, text),
        )
    }

    /// Any other refusal, by its code alone: the gateway's free text may hold anything.
    pub fn connection_refused(error: &GatewayError) -> Self {
        let code = error
            .details
            .code
            .as_ref()
            .map_or(error.code.as_str(), DetailCode::as_str);
        Self::new(
            ProblemCode::ConnectionRefused,
            Severity::NeedsYou,
            "The gateway refused the connection",
            format!("Its reason: {}.", printable(code)),
            remedy(
                RemedyAction::Reconnect,
                "Look at the gateway's log, then try again.",
            ),
        )
    }

    /// No store answers.
    pub fn secret_store_unavailable() -> Self {
        let command = "claw-companion run --secret-store file";
        let text = format!(
            "Start a keyring (Secret Service), or keep tokens in a file that only you can read, with: {command}"
        );
        let choose = remedy(RemedyAction::OpenSecretStore, &text);
        Self::new(
            ProblemCode::SecretStoreUnavailable,
            Severity::NeedsYou,
            "No keyring to keep tokens in",
            "This system's keyring cannot be reached, so tokens cannot be kept safely.",
            Remedy {
                command: Some(command.to_owned()),
                ..choose
            },
        )
    }

    /// The store is there but closed.
    pub fn secret_store_locked() -> Self {
        Self::new(
            ProblemCode::SecretStoreLocked,
            Severity::NeedsYou,
            "The keyring is locked",
            "Stored tokens cannot be read until it is unlocked. It goes on by itself then.",
            remedy(RemedyAction::OpenSecretStore, "Unlock the keyring."),
        )
    }

    /// The store answers with nothing usable.
    pub fn secret_store_failed() -> Self {
        Self::new(
            ProblemCode::SecretStoreFailed,
            Severity::NeedsYou,
            "Stored tokens cannot be read",
            "The secret store answers, but what it holds is damaged or cannot be read. Nothing was deleted.",
            remedy(
                RemedyAction::Inspect,
                "Look at the log for the reason; with the file store, restore vault.json in the data folder.",
            ),
        )
    }

    /// A token is only in memory.
    pub fn token_not_saved() -> Self {
        Self::new(
            ProblemCode::TokenNotSaved,
            Severity::NeedsYou,
            "A token could not be saved",
            "The connection works, but the pairing would be lost when the companion ends. Saving is tried again.",
            remedy(
                RemedyAction::OpenSecretStore,
                "Unlock the keyring or free disk space.",
            ),
        )
    }

    /// The registry could not be written.
    pub fn record_not_saved() -> Self {
        Self::new(
            ProblemCode::RecordNotSaved,
            Severity::NeedsYou,
            "The gateway could not be saved",
            "Its record or its key could not be written to the data folder or the secret store.",
            remedy(
                RemedyAction::Inspect,
                "Free disk space, check the data folder and the keyring, then try again.",
            ),
        )
    }

    /// A file of ours makes no sense; it was kept aside.
    pub fn state_unreadable(file: &str) -> Self {
        Self::new(
            ProblemCode::StateUnreadable,
            Severity::NeedsYou,
            "A stored file cannot be read",
            format!("{file} is damaged. It was kept aside, nothing was deleted."),
            remedy(
                RemedyAction::Inspect,
                "Restore the file from a backup, or pair again.",
            ),
        )
    }

    /// No such gateway.
    pub fn unknown_gateway() -> Self {
        Self::new(
            ProblemCode::UnknownGateway,
            Severity::Info,
            "No such gateway",
            "No gateway has this id or name.",
            remedy(
                RemedyAction::Inspect,
                "List the gateways with: claw-companion gateways",
            ),
        )
    }

    /// Our own gateway failed; `reason` is a sentence of ours.
    pub fn local_gateway_failed(reason: &str) -> Self {
        Self::new(
            ProblemCode::LocalGatewayFailed,
            Severity::NeedsYou,
            "The local gateway could not be started",
            sentence(reason),
            remedy(
                RemedyAction::Inspect,
                "It is tried again by itself. Its log is in the data folder, under local-gateway.",
            ),
        )
    }

    /// No more commands are taken.
    pub fn quitting() -> Self {
        Self::new(
            ProblemCode::Quitting,
            Severity::Info,
            "The companion is ending",
            "It takes no more commands.",
            remedy(
                RemedyAction::Wait,
                "Start it again, then repeat the command.",
            ),
        )
    }
}

fn remedy(action: RemedyAction, text: &str) -> Remedy {
    Remedy {
        action,
        text: text.to_owned(),
        command: None,
    }
}

fn paste(text: &str) -> Remedy {
    remedy(RemedyAction::PasteSetupCode, text)
}

fn new_code() -> Remedy {
    paste("Make a new setup code on the gateway (openclaw qr) and paste it.")
}

fn approve(what: &str, request_id: Option<&str>) -> Remedy {
    let command = match request_id.map(printable) {
        Some(id) => format!("openclaw {what} approve {id}"),
        None if what == "nodes" => "openclaw nodes pending".to_owned(),
        None => format!("openclaw {what} list"),
    };
    Remedy {
        action: RemedyAction::ApproveAtGateway,
        text: format!("On the gateway's computer run: {command}"),
        command: Some(command),
    }
}

/// What came from a gateway and is shown in a command or sentence: only letters, digits and a few marks.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.:".contains(*c))
        .take(80)
        .collect()
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{start}{}{end}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_wrote_cannot_break_out_of_a_command() {
        let problem = Problem::approval_needed(Role::Operator, Some("id; rm -rf ~ #\u{202e}"));
        assert_eq!(
            problem.remedy.command.as_deref(),
            Some("openclaw devices approve idrm-rf")
        );
    }

    #[test]
    fn a_code_reads_the_same_in_json_and_in_rust() {
        for code in ProblemCode::ALL {
            assert_eq!(
                serde_json::to_string(code).expect("serialises"),
                format!("\"{}\"", code.as_str())
            );
        }
    }

    #[test]
    fn a_reason_becomes_a_sentence() {
        let problem = Problem::setup_code_invalid(&SetupCodeError::Damaged);
        assert_eq!(problem.detail, "The setup code is damaged or cut off.");
    }
}
