use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use test_support::payloads;

use crate::process::{FakeServer, Process};

/// The exit code of a command that found no running companion.
const NOT_RUNNING: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// The companion with a state directory that is paired with the fake server.
#[derive(Debug)]
pub(crate) struct PairedCompanion {
    program: PathBuf,
    home: TempDir,
}

impl PairedCompanion {
    /// Pairs once, as a person would, and quits.
    pub(crate) fn pair(program: &Path, server: &FakeServer) -> Result<Self> {
        let paired = Self {
            program: program.to_owned(),
            home: TempDir::new()?,
        };
        let mut running = Process::start(&mut paired.headless())?;
        let code = payloads::setup_code(&server.url(), &"b".repeat(43), Duration::from_mins(10));
        let until = Instant::now() + PATIENCE;
        loop {
            running.still_runs()?;
            match paired.enter(&code)? {
                Some(0) => break,
                Some(NOT_RUNNING) if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(200));
                }
                other => bail!("pairing with the fake server ended with {other:?}"),
            }
        }
        running.end()?;
        Ok(paired)
    }

    /// The paired companion without a screen.
    pub(crate) fn headless(&self) -> Command {
        let mut command = self.command();
        command.args(["run", "--headless", "--secret-store", "file"]);
        command
    }

    /// The paired companion with its tray icon.
    pub(crate) fn in_tray(&self) -> Command {
        let mut command = self.command();
        command.args(["run", "--secret-store", "file"]);
        command
    }

    fn enter(&self, code: &str) -> Result<Option<i32>> {
        let mut pairing = self
            .command()
            .args(["pair", "-", "--yes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut stdin = pairing.stdin.take().context("piped")?;
        // it may have ended without reading
        let _ = writeln!(stdin, "{code}");
        drop(stdin);
        Ok(pairing.wait()?.code())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("CLAW_COMPANION_HOME", self.home.path());
        command
    }
}
