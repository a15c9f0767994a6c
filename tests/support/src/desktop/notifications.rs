use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use super::Desktop;

/// A notification daemon for tests: it notes every notification and can press a button. The desktop must have none of its own.
/// Ends when dropped.
#[derive(Debug)]
pub struct FakeNotifications {
    daemon: Child,
    shown: mpsc::Receiver<Value>,
}

impl FakeNotifications {
    /// Starts the daemon; it only notes.
    #[must_use]
    pub fn start(desktop: &Desktop) -> Self {
        Self::spawn(desktop, &[])
    }

    /// Starts the daemon; it presses this action of every notification that offers it.
    #[must_use]
    pub fn pressing(desktop: &Desktop, action: &str) -> Self {
        Self::spawn(desktop, &["--press", action])
    }

    /// Starts the daemon; it closes every notification as a person would.
    #[must_use]
    pub fn dismissing(desktop: &Desktop) -> Self {
        Self::spawn(desktop, &["--dismiss"])
    }

    /// The next notification, as `{id, app, replaces, icon, summary, body, actions: {key: label}, timeout, hints}`, or
    /// `{closed: id}` when the application withdrew one. `None` when nothing came in time.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Option<Value> {
        self.shown.recv_timeout(timeout).ok()
    }

    fn spawn(desktop: &Desktop, arguments: &[&str]) -> Self {
        let mut command = desktop.python("fake-notifications.py");
        let command = command.args(arguments).stdout(Stdio::piped());
        let mut daemon = command.spawn().expect("python is there");
        let stdout = daemon.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        assert_eq!(
            lines.next().as_deref(),
            Some("ready"),
            "somebody else shows notifications on this desktop"
        );
        let (send, shown) = mpsc::channel();
        thread::spawn(move || {
            for line in lines {
                let line = serde_json::from_str(&line).expect("the script prints JSON");
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { daemon, shown }
    }
}

impl Drop for FakeNotifications {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
