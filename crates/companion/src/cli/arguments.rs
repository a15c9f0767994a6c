//! What can be typed.

use super::{
    failure::{Exit, Failure},
    typed::Typed,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use companion_core::snapshot::SecretStoreKind;
use std::{env, io::Write, path::PathBuf, process};

/// What the command line wants.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Be the companion.
    Run(RunArgs),
    /// Ask the one that runs.
    Ask(Question),
}

/// Something to ask the running companion.
#[derive(Debug)]
pub(crate) struct Question {
    pub(super) json: bool,
    pub(super) ask: Ask,
}

/// How to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct RunArgs {
    /// Without tray, window and notifications
    #[arg(long)]
    pub(crate) headless: bool,
    /// Where tokens are kept; remembered, except for memory. `file` is a plain text file that only you can read
    #[arg(long, value_name = "STORE", value_parser = secret_store())]
    pub(crate) secret_store: Option<SecretStoreKind>,
    /// Install and run a gateway of its own, and pair with it
    #[arg(long)]
    pub(crate) with_local_gateway: bool,
    /// Yes: agents of that gateway may use this computer's node commands
    #[arg(long)]
    pub(crate) approve_node: bool,
    /// Say everything in JSON: each change of the state as a line.
    #[arg(skip)]
    pub(crate) json: bool,
}

#[derive(Debug, Parser)]
#[command(name = "claw-companion", version, about = "Keeps this computer connected to OpenClaw gateways.", after_help = AFTER_HELP)]
struct CommandLine {
    /// Answer in JSON on standard output, errors too: {"error":{"code","message","remedy"}}
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Written>,
}

#[derive(Debug, Subcommand)]
enum Written {
    /// Be the companion; what happens without any command
    Run(RunArgs),
    #[command(flatten)]
    Ask(Ask),
}

#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// Show how everything stands
    Status {
        /// Go on and show every change, until the companion ends
        #[arg(long)]
        watch: bool,
    },
    /// Pair with a gateway by a setup code
    Pair(PairArgs),
    /// Connect to a gateway with its own token
    Connect(ConnectArgs),
    /// List the gateways
    Gateways,
    /// Drop a gateway with its keys and tokens
    Forget {
        /// Its id or name
        gateway: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Connect again now
    Reconnect {
        /// Its id or name; all gateways if absent
        gateway: Option<String>,
        /// Only in this role
        #[arg(long)]
        role: Option<RoleName>,
    },
    /// End the companion
    Quit,
}

#[derive(Debug, Args)]
pub(super) struct PairArgs {
    /// `-` reads the setup code from standard input (best: a typed one stays in the shell's history); or the code itself
    #[arg(required_unless_present = "file", conflicts_with = "file", value_parser = Typed::parse)]
    pub(super) code: Option<Typed>,
    /// Read the setup code from this file
    #[arg(long)]
    pub(super) file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// The most to ask for
    #[arg(long, default_value = "full")]
    pub(super) access: AccessName,
    #[command(flatten)]
    pub(super) follow: FollowArgs,
}

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// The gateway's address, such as wss://gateway.example or ws://127.0.0.1:18789
    #[arg(long)]
    pub(super) url: String,
    /// Read the gateway's token or password from standard input
    #[arg(long, required = true)]
    pub(super) token_stdin: bool,
    #[command(flatten)]
    pub(super) follow: FollowArgs,
}

#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// Yes: agents of this gateway may use this computer's node commands
    #[arg(long)]
    pub(super) approve_node: bool,
    /// Wait up to this many seconds until everything is ready and approved
    #[arg(long, value_name = "SECONDS")]
    pub(super) wait: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessName {
    Full,
    Limited,
    Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleName {
    Operator,
    Node,
}

impl AccessName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Limited => "limited",
            Self::Node => "node",
        }
    }
}

impl RoleName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }
}

/// Reads the arguments of this process. Ends it for `--help`, `--version` and wrong usage.
pub(crate) fn parse() -> Wish {
    let error = match CommandLine::try_parse() {
        Ok(line) => return line.wish(),
        Err(error) => error,
    };
    let json = env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or(&text);
    let failure = Failure::usage(what.trim_start_matches("error: ").trim());
    // a closed pipe changes nothing about the exit code
    let _ = writeln!(std::io::stdout(), "{}", failure.to_json());
    process::exit(Exit::Usage.code());
}

impl CommandLine {
    fn wish(self) -> Wish {
        match self.command {
            None => Wish::Run(RunArgs {
                json: self.json,
                ..RunArgs::default()
            }),
            Some(Written::Run(args)) => Wish::Run(RunArgs {
                json: self.json,
                ..args
            }),
            Some(Written::Ask(ask)) => Wish::Ask(Question {
                json: self.json,
                ask,
            }),
        }
    }
}

fn secret_store() -> impl clap::builder::TypedValueParser<Value = SecretStoreKind> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(["keyring", "file", "memory"]).map(|name| match name.as_str() {
        "file" => SecretStoreKind::File,
        "memory" => SecretStoreKind::Memory,
        _ => SecretStoreKind::Keyring,
    })
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the companion is not running, \
4 waiting for a person.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_command_it_runs() {
        let Wish::Run(args) = read(&[]) else {
            panic!("runs")
        };
        assert_eq!(args, RunArgs::default());
        let Wish::Run(args) = read(&["run", "--headless", "--secret-store", "file"]) else {
            panic!("runs")
        };
        assert!(args.headless && !args.approve_node);
        assert_eq!(args.secret_store, Some(SecretStoreKind::File));
    }

    #[test]
    fn json_may_stand_before_or_after_any_command() {
        let before = ["claw-companion", "--json", "status"];
        assert!(CommandLine::try_parse_from(before).unwrap().json);
        for command in [
            &["run"][..],
            &["status"],
            &["pair", "-"],
            &["connect", "--url", "u", "--token-stdin"],
            &["gateways"],
            &["forget", "g"],
            &["reconnect"],
            &["quit"],
        ] {
            let line = ["claw-companion"].iter().chain(command).chain(&["--json"]);
            assert!(
                CommandLine::try_parse_from(line).unwrap().json,
                "{command:?}"
            );
        }
    }

    #[test]
    fn a_code_comes_from_one_place() {
        for wrong in [
            &["pair"][..],
            &["pair", "-", "--file", "f"],
            &["connect", "--url", "u"],
        ] {
            let line = ["claw-companion"].iter().chain(wrong);
            assert_eq!(
                CommandLine::try_parse_from(line).unwrap_err().exit_code(),
                2
            );
        }
        let wish = read(&["pair", "CANARY", "--access", "node", "--wait", "5"]);
        assert!(!format!("{wish:?}").contains("CANARY"));
    }

    fn read(line: &[&str]) -> Wish {
        let line = ["claw-companion"].iter().chain(line);
        CommandLine::try_parse_from(line).unwrap().wish()
    }
}
