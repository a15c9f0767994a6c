//! Who is measured.

mod companion;

pub(crate) use companion::PairedCompanion;

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use serde::Serialize;
use tempfile::TempDir;
use test_support::{Programs, npm_packages};

/// One of those who are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    /// The companion, or its gateway client.
    Ours,
    /// The reference client in Node.
    Reference,
    /// `openclaw node run`.
    NodeHost,
    /// A minimal client: what is reachable.
    Bare,
}

impl Peer {
    /// The letter that stands for it in the table of figures.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Reference => "R",
            Self::NodeHost => "N",
            Self::Bare => "F",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

/// The programs of all peers.
#[derive(Debug)]
pub(crate) struct Peers {
    programs: Programs,
    reference: PathBuf,
    companion: PathBuf,
    node_home: TempDir,
}

impl Peers {
    /// Installs what is missing.
    pub(crate) async fn ready(companion: Option<PathBuf>) -> Result<Self> {
        let programs = Programs::ready().await;
        let reference = install_reference().await?;
        let beside = env::current_exe()?.with_file_name("claw-companion");
        Ok(Self {
            programs,
            reference,
            companion: companion.unwrap_or(beside.with_extension(env::consts::EXE_EXTENSION)),
            node_home: TempDir::new()?,
        })
    }

    /// The real program. Fails when it is not built.
    pub(crate) fn companion(&self) -> Result<&Path> {
        if !self.companion.is_file() {
            bail!(
                "{} is not there; build it: cargo build --release -p claw-companion",
                self.companion.display()
            );
        }
        Ok(&self.companion)
    }

    /// The client of this peer, doing this task of `peers/reference.mjs` or [`crate::client::Task`].
    pub(crate) fn client(&self, peer: Peer, task: &[&str]) -> Result<Command> {
        let own = |name: &str| -> Result<Command> {
            let mut command = Command::new(env::current_exe()?);
            command.args(["client", name]);
            Ok(command)
        };
        let mut command = match peer {
            Peer::Ours => own("ours")?,
            Peer::Bare => own("bare")?,
            Peer::Reference => {
                let mut command = self.programs.node().into_std();
                command.arg(&self.reference);
                command
            }
            Peer::NodeHost => bail!("the node host is a program, not a client for tasks"),
        };
        command.args(task);
        Ok(command)
    }

    /// `openclaw node run` against a gateway on this port.
    pub(crate) fn node_host(&self, port: u16) -> Command {
        let home = self.node_home.path();
        let mut command = self.programs.openclaw().into_std();
        command
            .args([
                "node",
                "run",
                "--host",
                "127.0.0.1",
                "--no-tls",
                "--port",
                &port.to_string(),
            ])
            .env("HOME", home)
            .env("OPENCLAW_STATE_DIR", home.join("state"))
            .env("OPENCLAW_CONFIG_PATH", home.join("openclaw.json"))
            .env("OPENCLAW_GATEWAY_TOKEN", "token-of-the-fake-server")
            .current_dir(home);
        command
    }
}

/// Installs the reference client into the cache; gives its script.
async fn install_reference() -> Result<PathBuf> {
    let modules = npm_packages("bench-peers", &["@openclaw/gateway-client@2026.9.1"]).await;
    // Node looks for packages beside the script
    let script = modules.with_file_name("reference.mjs");
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/reference.mjs"),
        &script,
    )?;
    Ok(script)
}
