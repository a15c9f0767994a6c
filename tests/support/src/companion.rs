//! The built program `claw-companion`, driven from outside as a person or a script would.

use crate::platform;
use serde_json::Value;
use std::{
    env,
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::sleep,
};

/// One data folder and the companion that runs in it. Killed when dropped; the folder goes with it.
#[derive(Debug)]
pub struct Companion {
    program: PathBuf,
    folder: TempDir,
    environment: Vec<(String, String)>,
    process: Option<Child>,
}

/// How a command of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Ended {
    /// What it printed, as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

const PAUSE: Duration = Duration::from_millis(50);

impl Companion {
    /// An empty data folder; nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::of(program("claw-companion", "CLAW_COMPANION_BIN"))
    }

    /// As [`Self::new`] with another program, such as a launcher that runs it under Wine.
    #[must_use]
    pub fn of(program: PathBuf) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self {
            program,
            folder,
            environment: vec![],
            process: None,
        }
    }

    /// Sets variables for everything that is started from here on, such as those of a desktop session.
    #[must_use]
    pub fn with_env(mut self, variables: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(variables);
        self
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// What it has printed and logged so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts `run --headless --secret-store file` and waits until it answers.
    pub async fn start(&mut self) {
        self.start_with(&["--headless", "--secret-store", "file"])
            .await;
    }

    /// Starts `run` with these arguments and waits until it answers.
    pub async fn start_with(&mut self, arguments: &[&str]) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("a log file");
        let clone = |log: &File| log.try_clone().expect("a second handle");
        let mut command = self.command();
        command
            .arg("run")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(clone(&log))
            .stderr(log);
        self.process = Some(command.spawn().expect("claw-companion starts"));
        let limit = Instant::now() + Duration::from_secs(60);
        while self.status().await.is_none() {
            let ended = self
                .process
                .as_mut()
                .and_then(|process| process.try_wait().expect("a status"));
            assert!(ended.is_none(), "it ended ({ended:?}):\n{}", self.log());
            assert!(
                Instant::now() < limit,
                "it does not answer:\n{}",
                self.log()
            );
            sleep(PAUSE).await;
        }
    }

    /// Runs one command of it.
    pub async fn cli(&self, arguments: &[&str]) -> Ended {
        self.cli_with_input(arguments, "").await
    }

    /// Runs one command of it with text on its stdin.
    pub async fn cli_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("claw-companion starts");
        let mut stdin = process.stdin.take().expect("a pipe");
        // a command that reads nothing may have ended already
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = process.wait_with_output().await.expect("it ends");
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `pair -` with this code on stdin and `--yes`, `--json` and further arguments.
    pub async fn pair(&self, code: &str, further: &[&str]) -> Ended {
        let arguments: Vec<_> = ["pair", "-", "--yes", "--json"]
            .into_iter()
            .chain(further.iter().copied())
            .collect();
        self.cli_with_input(&arguments, code).await
    }

    /// What `status --json` says, while it runs.
    pub async fn status(&self) -> Option<Value> {
        let ended = self.cli(&["status", "--json"]).await;
        (ended.code == 0).then(|| ended.json())
    }

    /// Waits until `status --json` fulfils the condition.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let limit = Instant::now() + within;
        loop {
            let status = self.status().await;
            if let Some(status) = status.as_ref().filter(|status| condition(status)) {
                return status.clone();
            }
            assert!(
                Instant::now() < limit,
                "not {what} within {within:?}: {}\n{}",
                serde_json::to_string_pretty(&status).unwrap_or_default(),
                self.log()
            );
            sleep(PAUSE).await;
        }
    }

    /// Waits for `overall` to be `ready`.
    pub async fn wait_until_ready(&self, within: Duration) -> Value {
        self.wait_for("ready", within, |status| status["overall"] == "ready")
            .await
    }

    /// Ends it by `quit` and waits for the end.
    pub async fn quit(&mut self) {
        let ended = self.cli(&["quit"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let mut process = self.process.take().expect("it runs");
        let status = tokio::time::timeout(Duration::from_secs(15), process.wait()).await;
        assert!(
            status
                .expect("it ends in time")
                .expect("a status")
                .success(),
            "{}",
            self.log()
        );
    }

    /// Waits until it has ended by itself and gives its exit code; -1 after a signal.
    pub async fn ended(&mut self, within: Duration) -> i32 {
        let process = self.process.as_mut().expect("it runs");
        let Ok(status) = tokio::time::timeout(within, process.wait()).await else {
            panic!("it still runs after {within:?}:\n{}", self.log())
        };
        self.process = None;
        status.expect("a status").code().unwrap_or(-1)
    }

    /// Kills it (SIGKILL) and waits for the end.
    pub async fn kill(&mut self) {
        self.process
            .take()
            .expect("it runs")
            .kill()
            .await
            .expect("killed");
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// How many TCP connections it has open to this port, on any address. Linux only; panics elsewhere.
    #[must_use]
    pub fn connections_to(&self, port: u16) -> usize {
        let pid = self.pid().expect("it runs");
        platform::connections_to(pid, port).expect("this system tells")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("CLAW_COMPANION_HOME", self.home())
            .env("CLAW_COMPANION_LOG", "trace")
            .kill_on_drop(true);
        command
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command.envs(self.environment.iter().cloned());
        command
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Default for Companion {
    fn default() -> Self {
        Self::new()
    }
}

/// A built program of this workspace: the one that `variable` names, else the one beside the running test. Panics with
/// the command that builds it.
#[must_use]
pub fn program(name: &str, variable: &str) -> PathBuf {
    if let Some(chosen) = env::var_os(variable) {
        return chosen.into();
    }
    let test = env::current_exe().expect("the test's own path");
    let beside = test
        .ancestors()
        .nth(2)
        .map(|folder| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)));
    let beside = beside.filter(|path: &PathBuf| Path::exists(path));
    beside.unwrap_or_else(|| panic!("{name} is not built: cargo build -p {name}"))
}
