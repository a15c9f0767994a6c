//! Reads the page in the companion's own window, as a browser's driver does.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use test_support::program;
use tokio::time::{Instant, sleep, timeout};
use ui_tests::{SOON, Scene, processes_of};

/// A first window after a build takes that long on a busy machine.
const FIRST_WINDOW: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(50);

/// A running driver. It attaches to the first web view that a descendant of it opens; they end with it.
pub(crate) struct Driver {
    child: Child,
    url: String,
    home: PathBuf,
}

/// The page in the window.
pub(crate) struct Page(Client);

impl Driver {
    /// Starts it on the scene's desktop; what it starts uses the companion's data folder.
    pub(crate) fn start(scene: &Scene) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = Command::new("WebKitWebDriver");
        scene.desktop.apply(&mut command);
        let child = command
            .args([&format!("--port={port}"), "--host=127.0.0.1"])
            .envs(scene.variables())
            // read by the web view's runtime in the window, which inherits it
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stdout(Stdio::null())
            .spawn()
            .expect("WebKitWebDriver is installed: it is in the Debian package webkit2gtk-driver; or run `cargo xtask setup --tests`");
        let url = format!("http://127.0.0.1:{port}");
        Self {
            child,
            url,
            home: scene.companion.home(),
        }
    }

    /// Starts `claw-companion run` and waits until it has opened its window.
    pub(crate) async fn run_companion(&self) -> Page {
        self.wait_until_it_listens().await;
        let program = program("claw-companion", "CLAW_COMPANION_BIN");
        let options = json!({"webkitgtk:browserOptions": {"binary": program, "args": ["run"]}});
        let capabilities: Capabilities = serde_json::from_value(options).expect("an object");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let session = builder.capabilities(capabilities).connect(&self.url);
        let session = timeout(FIRST_WINDOW, session).await;
        Page(
            session
                .expect("a window opens in time")
                .expect("the driver attaches to the window"),
        )
    }

    async fn wait_until_it_listens(&self) {
        let limit = Instant::now() + SOON;
        let address = self.url.trim_start_matches("http://");
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < limit, "WebKitWebDriver does not listen");
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for process in processes_of(&self.home) {
            process.kill();
        }
        // ended just now
        let _ = self.child.wait();
    }
}

impl Page {
    /// Waits until this text can be read on the page.
    pub(crate) async fn shows(&self, text: &str) {
        let limit = Instant::now() + SOON;
        loop {
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            assert!(Instant::now() < limit, "no {text:?} in:\n{shown}");
            sleep(PAUSE).await;
        }
    }

    async fn text(&self) -> String {
        let script = "return document.body.innerText";
        let text = self.0.execute(script, vec![]).await;
        let text = text.expect("the page answers");
        text.as_str().expect("a text").to_owned()
    }
}
