//! The pinned real gateway, each with a home, state and port of its own.

mod packages;
mod programs;
mod proxy;
mod rpc;

pub use packages::npm_packages;
pub use programs::{Programs, cache_directory};
pub use proxy::Proxy;

use std::{
    fmt, fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::platform;

/// How long a start may take, and a gentle end.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(20);

/// Settings of a [`RealGateway`] before its first start.
pub struct RealGatewayBuilder {
    behind_proxy: bool,
    edits: Vec<Edit>,
}

type Edit = Box<dyn FnOnce(&mut Value) + Send>;

impl fmt::Debug for RealGatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealGatewayBuilder")
            .field("behind_proxy", &self.behind_proxy)
            .finish_non_exhaustive()
    }
}

impl RealGatewayBuilder {
    /// Trusts a proxy on 127.0.0.1, so that connections through [`RealGateway::proxy`] count as remote.
    #[must_use]
    pub fn behind_proxy(mut self, behind_proxy: bool) -> Self {
        self.behind_proxy = behind_proxy;
        self
    }

    /// Gives the agent a model served at `http://127.0.0.1:<port>/v1` by a fake of the completions API.
    #[must_use]
    pub fn model_port(self, port: u16) -> Self {
        self.config(move |config| {
            config["models"] = json!({"mode": "replace", "providers": {"fake": {
                "baseUrl": format!("http://127.0.0.1:{port}/v1"),
                "apiKey": "not-a-secret",
                "api": "openai-completions",
                "models": [{
                    "id": "fake-1", "name": "Fake One", "reasoning": false, "input": ["text"],
                    "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
                    "contextWindow": 128_000, "maxTokens": 4096,
                }],
            }}});
            config["agents"]["defaults"]["model"] = json!({"primary": "fake/fake-1"});
        })
    }

    /// Edits the configuration before it is written.
    #[must_use]
    pub fn config(mut self, edit: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// Installs the gateway if this machine lacks it, starts it and waits until it is ready.
    pub async fn start(self) -> RealGateway {
        let programs = Programs::ready().await;
        let directory = TempDir::new().expect("a temporary directory");
        for name in ["home", "state"] {
            fs::create_dir(directory.path().join(name)).expect("a fresh directory");
        }
        let port = free_port();
        let shared_token = uuid::Uuid::new_v4().simple().to_string();
        let mut config = configuration(port, &shared_token);
        if self.behind_proxy {
            config["gateway"]["trustedProxies"] = json!(["127.0.0.1"]);
        }
        for edit in self.edits {
            edit(&mut config);
        }
        let text = serde_json::to_string_pretty(&config).expect("a JSON value");
        fs::write(directory.path().join("openclaw.json"), text).expect("a fresh directory");
        let mut gateway = RealGateway {
            programs,
            port,
            shared_token,
            process: None,
            directory,
        };
        gateway.start_again().await;
        gateway
    }
}

/// A running real gateway. Killed when dropped, its state goes with it.
pub struct RealGateway {
    programs: Programs,
    port: u16,
    shared_token: String,
    process: Option<Child>,
    directory: TempDir,
}

impl fmt::Debug for RealGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealGateway")
            .field("port", &self.port)
            .field("directory", &self.directory.path())
            .finish_non_exhaustive()
    }
}

impl RealGateway {
    /// A gateway on loopback with a random shared token and no model; [`RealGatewayBuilder::start`] starts it.
    #[must_use]
    pub fn builder() -> RealGatewayBuilder {
        RealGatewayBuilder {
            behind_proxy: false,
            edits: Vec::new(),
        }
    }

    /// [`Self::builder`] started as it is.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// The port on 127.0.0.1; the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `ws://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The gateway's own secret.
    #[must_use]
    pub fn shared_token(&self) -> &str {
        &self.shared_token
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Its configuration file; the gateway applies edits within seconds.
    #[must_use]
    pub fn config_file(&self) -> std::path::PathBuf {
        self.directory.path().join("openclaw.json")
    }

    /// What it printed so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Mints a setup code by `openclaw qr --setup-code-only`, with further arguments such as `--limited`. Takes seconds; see
    /// [`Self::mint_setup_code`].
    pub async fn setup_code(&self, arguments: &[&str]) -> String {
        let mut all = vec!["qr", "--setup-code-only"];
        all.extend_from_slice(arguments);
        self.cli(&all).await.trim().to_owned()
    }

    /// Mints a setup code by the RPC that the command line uses too. `params` as `{}`, `{"bootstrapProfile": "limited"}`,
    /// `{"bootstrapProfile": "node"}` or `{"publicUrl": "ws://..."}`.
    pub async fn mint_setup_code(&self, params: Value) -> String {
        let minted = self.rpc("device.pair.setupCode", params).await;
        let code = minted["setupCode"].as_str();
        code.expect("the answer has a setup code").to_owned()
    }

    /// What the gateway's own command line prints on stdout. Takes seconds. Panics when it fails.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = self.command(&self.directory.path().join("home"));
        command.args(arguments).stdin(Stdio::null());
        let done = command.output().await.expect("the installed program runs");
        let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "openclaw {arguments:?} ended with {}\n{stdout}\n{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
        stdout
    }

    /// [`Self::cli`] for a command that prints JSON; give `--json` yourself.
    pub async fn cli_json(&self, arguments: &[&str]) -> Value {
        let text = self.cli(arguments).await;
        let from = text.find(['{', '[']).unwrap_or_default();
        serde_json::from_str(&text[from..])
            .unwrap_or_else(|why| panic!("openclaw {arguments:?} printed no JSON ({why}): {text}"))
    }

    /// Calls a gateway method as a local backend with the shared token and every scope; gives the payload. Panics on an error
    /// answer.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let answer = self.try_rpc(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// [`Self::rpc`] for calls that may be refused.
    ///
    /// # Errors
    /// Gives the whole `error` object of the answer.
    pub async fn try_rpc(&self, method: &str, params: Value) -> Result<Value, Value> {
        rpc::call(self.port, &self.shared_token, method, params).await
    }

    /// A way to this gateway that makes every connection look as if it came from `address`. Needs
    /// [`RealGatewayBuilder::behind_proxy`].
    pub async fn proxy(&self, address: &str) -> Proxy {
        Proxy::start(self.port, address).await
    }

    /// The gateway's own program, to which the caller adds a subcommand, set up to talk to this gateway. `home` is its home
    /// directory; with another one than the gateway's own, state and configuration stand apart in it.
    #[must_use]
    pub fn command(&self, home: &Path) -> Command {
        let directory = self.directory.path();
        let mut command = self.programs.openclaw();
        command.env("HOME", home).env("NO_COLOR", "1");
        if home == directory.join("home") {
            command
                .env("OPENCLAW_STATE_DIR", directory.join("state"))
                .env("OPENCLAW_CONFIG_PATH", self.config_file());
        } else {
            command
                .env("OPENCLAW_STATE_DIR", home.join("state"))
                .env("OPENCLAW_CONFIG_PATH", home.join("openclaw.json"))
                .env("OPENCLAW_GATEWAY_TOKEN", &self.shared_token);
        }
        command
    }

    /// SIGTERM, then waits for the end.
    pub async fn terminate(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        platform::ask_to_end(&process).expect("the gateway can be asked to end");
        if timeout(END, process.wait()).await.is_err() {
            // dropping it kills it
            self.process = Some(process);
            panic!("the gateway did not end within {END:?}:\n{}", self.log());
        }
    }

    /// Kills it (SIGKILL), then waits for the end.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.expect("our own child can be killed");
        }
    }

    /// Starts it with the same state on the same port and waits until it is ready.
    pub async fn start_again(&mut self) {
        self.start_without_waiting();
        self.wait_until_ready().await;
    }

    /// Starts it with the same state on the same port.
    pub fn start_without_waiting(&mut self) {
        assert!(self.process.is_none(), "the gateway runs already");
        let directory = self.directory.path();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(directory.join("log"));
        let log = log.expect("the directory is ours");
        let stderr = log.try_clone().expect("a second handle");
        let mut command = self.command(&directory.join("home"));
        command
            .args(["gateway", "run", "--port", &self.port.to_string()])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(stderr)
            .kill_on_drop(true);
        self.process = Some(command.spawn().expect("the installed program runs"));
    }

    /// Waits until `/readyz` answers 200, for up to a minute.
    pub async fn wait_until_ready(&mut self) {
        let until = Instant::now() + START;
        while !is_ready(self.port).await {
            let process = self.process.as_mut().expect("the gateway was started");
            let ended = process.try_wait().expect("our own child");
            if let Some(status) = ended {
                self.process = None;
                panic!("the gateway ended with {status}:\n{}", self.log());
            }
            assert!(
                Instant::now() < until,
                "the gateway is not ready after {START:?}:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for RealGateway {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        // it may have ended by itself
        let _ = process.start_kill();
        let until = Instant::now() + Duration::from_secs(5);
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn configuration(port: u16, shared_token: &str) -> Value {
    json!({
        "gateway": {
            "mode": "local",
            "port": port,
            "bind": "loopback",
            "auth": {"mode": "token", "token": shared_token},
        },
        "agents": {"defaults": {"heartbeat": {"every": "0m"}, "skipBootstrap": true}},
        "plugins": {"entries": {"device-pair": {
            "enabled": true,
            "config": {"publicUrl": format!("ws://127.0.0.1:{port}")},
        }}},
    })
}

/// A free port whose second neighbour, where the gateway listens for browser control, is free too.
fn free_port() -> u16 {
    // below the ports that systems hand out by themselves, so that nothing takes it while the gateway is down
    let candidates = std::iter::repeat_with(|| 20_000 + (uuid::Uuid::new_v4().as_u128() % 12_000));
    let ports = candidates.filter_map(|port| u16::try_from(port).ok());
    ports
        .take(1_000)
        .find(|port| is_free(*port) && is_free(port + 2))
        .expect("a free port among a thousand")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

async fn is_ready(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let request = "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    matches!(timeout(Duration::from_secs(5), ask).await, Ok(Ok(true)))
}
