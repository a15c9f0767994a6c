//! One desktop with one companion on it.

use std::path::PathBuf;

use test_support::{
    Companion, Desktop, DesktopOptions, FakeGateway, NotificationDaemon, Tray, program,
};

use crate::{Process, SOON, processes_of};

/// The product, as people read it.
pub const NAME: &str = "Claw Companion";
/// The window's program.
pub const WINDOW: &str = "claw-companion-window";

/// A desktop, and a companion whose every start is on it.
#[derive(Debug)]
pub struct Scene {
    /// Ends first: nothing then asks a desktop that is gone.
    pub companion: Companion,
    /// Where it is shown.
    pub desktop: Desktop,
}

impl Scene {
    /// Starts the desktop; the companion does not run yet.
    #[must_use]
    pub fn on(options: &DesktopOptions) -> Self {
        let desktop = Desktop::start(options);
        let window = window().to_str().expect("a path in UTF-8").to_owned();
        let companion = Companion::new()
            .with_env(desktop.env())
            .with_env(&[("CLAW_COMPANION_WINDOW".to_owned(), window)]);
        Self { companion, desktop }
    }

    /// Starts `run` as a person's session would, and pairs it with this gateway, both roles and the node's commands.
    pub async fn paired_with(mut self, gateway: &FakeGateway) -> Self {
        self.companion.start_with(&[]).await;
        self.pair_with(gateway).await;
        self
    }

    /// Pairs the running companion with this gateway, both roles and the node's commands.
    pub async fn pair_with(&self, gateway: &FakeGateway) {
        let code = gateway.setup_code("bootstrap-token");
        let paired = self.companion.pair(&code, &["--approve-node"]).await;
        assert_eq!(paired.code, 0, "{paired:?}\n{}", self.companion.log());
        assert_eq!(paired.json()["nodeSurface"], "approved", "{paired:?}");
        self.companion.wait_until_ready(SOON).await;
    }

    /// What a companion needs in its environment, besides the desktop's own variables, when something else starts it.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("CLAW_COMPANION_HOME", self.companion.home()),
            ("CLAW_COMPANION_WINDOW", window()),
        ]
    }

    /// How many windows of ours are on the screen.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.desktop.windows(&format!("^{NAME}$"))
    }

    /// The running window processes of this companion.
    #[must_use]
    pub fn window_processes(&self) -> Vec<Process> {
        let all = processes_of(&self.companion.home()).into_iter();
        all.filter(|process| process.program == WINDOW).collect()
    }
}

fn window() -> PathBuf {
    program(WINDOW, "CLAW_COMPANION_WINDOW_BIN")
}

/// A keyring and a window manager; a script in place of the tray, and nobody who shows notifications.
#[must_use]
pub fn quiet_desktop() -> DesktopOptions {
    DesktopOptions {
        tray: Tray::Scripted,
        notifications: NotificationDaemon::None,
        ..DesktopOptions::default()
    }
}
