use std::{env, path::PathBuf};

use local_gateways::Installation;
use tokio::{process::Command, sync::OnceCell};

/// The pinned gateway and the Node it runs on, installed once per machine.
#[derive(Debug, Clone)]
pub struct Programs(Installation);

impl Programs {
    /// Finds them in [`cache_directory`]; when this machine lacks them, downloads about 800 MB first and says so on stderr.
    pub async fn ready() -> Self {
        static READY: OnceCell<Programs> = OnceCell::const_new();
        let install = async || {
            let installed = Installation::install(&cache_directory(), say).await;
            Self(
                installed
                    .unwrap_or_else(|why| panic!("the real gateway cannot be installed: {why}")),
            )
        };
        READY.get_or_init(install).await.clone()
    }

    /// The gateway's command line, `openclaw`, free of the settings of this process.
    #[must_use]
    pub fn openclaw(&self) -> Command {
        let mut command = self.node();
        command.arg(self.0.entry());
        command
    }

    /// Node, with its directory first in `PATH`, free of the settings of this process.
    #[must_use]
    pub fn node(&self) -> Command {
        self.beside_node(Command::new(self.0.node()))
    }

    /// npm, which runs on that Node.
    #[must_use]
    pub fn npm(&self) -> Command {
        self.beside_node(Command::new("npm"))
    }

    fn beside_node(&self, mut command: Command) -> Command {
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if FOREIGN.iter().any(|prefix| name_text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        let directory = self.0.node().parent().map(PathBuf::from);
        let rest = env::var_os("PATH").unwrap_or_default();
        let all = directory.into_iter().chain(env::split_paths(&rest));
        command.env(
            "PATH",
            env::join_paths(all).expect("paths of a search path"),
        );
        command
    }
}

/// Where tests keep what they install once per machine: `CLAW_COMPANION_CACHE`, else `claw-companion` in the user's cache.
#[must_use]
pub fn cache_directory() -> PathBuf {
    if let Some(cache) = env::var_os("CLAW_COMPANION_CACHE") {
        return cache.into();
    }
    let given = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let user = given.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let user = user.expect("HOME or CLAW_COMPANION_CACHE is set");
    user.join("claw-companion")
}

#[expect(
    clippy::print_stderr,
    reason = "a download of minutes must not look like a hang"
)]
fn say(progress: local_gateways::Progress) {
    eprintln!("{progress}");
}

const FOREIGN: &[&str] = &["OPENCLAW_", "XDG_", "NODE_"];
