use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::child_environment::gateway_variables;
use crate::error::Error;
use crate::installation::Installation;
use crate::instance_home::{InstanceHome, InstanceLock};
use crate::progress::Progress;
use crate::{config, output, platform, port, readiness};

/// One running gateway that belongs to this companion: a child process on loopback with its own state.
///
/// Dropping it kills the process. What is paired with it stays paired when it is started again in the same folder.
#[derive(Debug)]
pub struct PrivateGateway {
    installation: Installation,
    home: InstanceHome,
    port: u16,
    child: Child,
    _lock: InstanceLock,
}

impl PrivateGateway {
    /// Starts the instance whose folder is `home` (made when missing) and waits up to 60 s until it is ready.
    ///
    /// The first start chooses a port and a token, later ones keep them. On Linux a gateway that a killed companion left
    /// running in the same folder is ended first. Dropping the future kills the process.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], [`Error::PortInUse`], [`Error::ConfigUnusable`], [`Error::HomeUnusable`],
    /// [`Error::ExitedEarly`], [`Error::NotReadyInTime`] and the rarer ones of [`Error`] that name a start.
    pub async fn start(
        installation: &Installation,
        home: &std::path::Path,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<PrivateGateway, Error> {
        progress(Progress::Starting);
        let home = InstanceHome::prepare(home)?;
        let lock = home.lock()?;
        end_leftover(&home).await?;
        let port = config::open(&home)?;
        if !port::is_free(port) {
            return Err(Error::PortInUse { port });
        }
        let mut gateway = PrivateGateway {
            child: spawn(installation, &home)?,
            installation: installation.clone(),
            home,
            port,
            _lock: lock,
        };
        if let Some(pid) = gateway.pid() {
            gateway.home.write_pid(pid)?;
        }
        progress(Progress::WaitingForReady);
        gateway.wait_until_ready().await?;
        info!(port, "private gateway ready");
        progress(Progress::Ready);
        Ok(gateway)
    }

    /// The loopback port, the same at every start.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The WebSocket address, `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The process id; `None` once the process has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks the gateway for a setup code, which is good for ten minutes. Takes several seconds, at most 60.
    ///
    /// # Errors
    /// [`Error::MintFailed`], [`Error::MintTimedOut`], [`Error::NotStarted`].
    pub async fn mint_setup_code(&self) -> Result<SecretString, Error> {
        let mut command = openclaw(&self.installation, &self.home)?;
        command
            .args(["qr", "--setup-code-only"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Ok(done) = timeout(MINT_LIMIT, command.output()).await else {
            return Err(Error::MintTimedOut { limit: MINT_LIMIT });
        };
        setup_code(done.map_err(Error::NotStarted)?)
    }

    /// Comes back when the process ends by itself; may be dropped and called again.
    ///
    /// # Errors
    /// The system's, when it cannot tell how the process ended.
    pub async fn exited(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Stops the gateway: asks it to finish, and kills it when it has not ended within `grace`. Windows has no way to
    /// ask, so there it is killed at once.
    pub async fn stop(mut self, grace: Duration) {
        platform::ask_to_stop(&mut self.child);
        if timeout(grace, self.child.wait()).await.is_err() {
            warn!("private gateway did not stop in time");
            platform::kill_with_descendants(&mut self.child);
            if let Err(error) = self.child.wait().await {
                warn!(%error, "private gateway's end not seen");
            }
        }
        self.home.forget_pid();
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let outcome = timeout(START_LIMIT, async {
            tokio::select! {
                biased;
                ended = self.child.wait() => Some(ended),
                () = readiness::until_ready(self.port) => None,
            }
        })
        .await;
        let error = match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(status))) if status.code() == Some(CONFIG_REFUSED) => {
                Error::ConfigUnusable {
                    path: self.home.config(),
                }
            }
            Ok(Some(Ok(status))) => Error::ExitedEarly {
                status,
                log_tail: self.home.log_tail(),
            },
            Ok(Some(Err(source))) => Error::NotStarted(source),
            Err(_) => {
                platform::kill_with_descendants(&mut self.child);
                Error::NotReadyInTime {
                    limit: START_LIMIT,
                    log_tail: self.home.log_tail(),
                }
            }
        };
        self.home.forget_pid();
        Err(error)
    }
}

async fn end_leftover(home: &InstanceHome) -> Result<(), Error> {
    let Some(pid) = home.read_pid() else {
        return Ok(());
    };
    platform::end_leftover(pid, &home.state())
        .await
        .map_err(|source| Error::LeftoverStillRuns { pid, source })?;
    home.forget_pid();
    Ok(())
}

fn spawn(installation: &Installation, home: &InstanceHome) -> Result<Child, Error> {
    let log = home.new_log()?;
    let errors = log.try_clone().map_err(Error::NotStarted)?;
    openclaw(installation, home)?
        .args(["gateway", "run"])
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(Error::NotStarted)
}

/// The gateway's command line, seeing this instance and nothing else.
fn openclaw(installation: &Installation, home: &InstanceHome) -> Result<Command, Error> {
    let node_folder: PathBuf = installation
        .node()
        .parent()
        .map(Into::into)
        .unwrap_or_default();
    let variables = gateway_variables(home, &node_folder)
        .map_err(|source| Error::NotStarted(io::Error::other(source)))?;
    let mut command = Command::new(installation.node());
    command
        .arg(installation.entry())
        .current_dir(home.folder())
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    platform::run_in_background(&mut command);
    Ok(command)
}

fn setup_code(done: Output) -> Result<SecretString, Error> {
    let stdout = Zeroizing::new(done.stdout);
    let text = std::str::from_utf8(&stdout).unwrap_or_default();
    let code = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    match code {
        Some(code) if done.status.success() && code.bytes().all(is_base64url) => {
            Ok(SecretString::from(code))
        }
        Some(_) | None => Err(Error::MintFailed {
            exit: done.status,
            last_lines: output::last_lines(&String::from_utf8_lossy(&done.stderr)),
        }),
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=')
}

const START_LIMIT: Duration = Duration::from_secs(60);
const MINT_LIMIT: Duration = Duration::from_secs(60);
/// What the gateway exits with when it refuses its configuration.
const CONFIG_REFUSED: i32 = 78;

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::net::{Ipv4Addr, TcpListener};
    use std::path::Path;
    use std::sync::Mutex;

    #[tokio::test]
    async fn a_gateway_that_ends_at_once_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let steps = Mutex::new(Vec::new());
        let record = |step| steps.lock().unwrap().push(step);
        let error = PrivateGateway::start(&not_a_gateway(), folder.path(), record)
            .await
            .unwrap_err();
        let Error::ExitedEarly { log_tail, .. } = error else {
            panic!("{error}");
        };
        assert!(log_tail.contains("no such command"), "{log_tail}");
        assert_eq!(
            *steps.lock().unwrap(),
            [Progress::Starting, Progress::WaitingForReady]
        );
        assert!(!folder.path().join("gateway.pid").exists());
    }

    #[tokio::test]
    async fn a_taken_port_is_named_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        let port = config::open(&home).unwrap();
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = start(folder.path()).await.unwrap_err();
        assert!(
            matches!(error, Error::PortInUse { port: named } if named == port),
            "{error}"
        );
        drop(other);
        let error = start(folder.path()).await.unwrap_err();
        assert!(matches!(error, Error::ExitedEarly { .. }), "{error}");
        assert_eq!(config::open(&home).unwrap(), port);
    }

    #[tokio::test]
    async fn an_instance_of_another_companion_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        let _lock = home.lock().unwrap();
        let error = start(folder.path()).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyRunning { .. }), "{error}");
    }

    #[test]
    fn takes_the_code_and_nothing_else() {
        let cases = [
            ("eyJ1cmwi-_\n", Some("eyJ1cmwi-_")),
            ("a warning here\r\neyJ1cmwi\r\n\r\n", Some("eyJ1cmwi")),
            ("", None),
            ("\n \n", None),
            ("no code today", None),
        ];
        for (stdout, expected) in cases {
            let minted = setup_code(output_with(stdout));
            let code = minted.as_ref().ok().map(SecretString::expose_secret);
            assert_eq!(code, expected, "{stdout:?}");
        }
    }

    async fn start(home: &Path) -> Result<PrivateGateway, Error> {
        PrivateGateway::start(&not_a_gateway(), home, |_| ()).await
    }

    /// Cargo ends at once with a complaint when it is asked for a command that it does not have.
    fn not_a_gateway() -> Installation {
        Installation::of_files(env!("CARGO").into(), "no-such-command".into())
    }

    fn output_with(stdout: &str) -> Output {
        Output {
            status: ExitStatus::default(),
            stdout: stdout.into(),
            stderr: Vec::new(),
        }
    }
}
