//! A throw-away Linux desktop: X server, session bus, keyring, notifications and a tray, by the scripts in `desktop/`.

mod notifications;
mod packages;

pub use notifications::FakeNotifications;

use std::{
    collections::BTreeMap,
    env,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The system's: a version manager's one has no D-Bus bindings.
const PYTHON: &str = "/usr/bin/python3";

/// How long the session may take to start, and to end.
const START: Duration = Duration::from_secs(40);
const END: Duration = Duration::from_secs(10);

/// Who shows tray icons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tray {
    /// A real panel; screenshots show the icon.
    #[default]
    Panel,
    /// A script that only speaks the tray's D-Bus interfaces: the most robust for pressing menu entries.
    Scripted,
    /// Nobody.
    None,
}

/// Who shows notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NotificationDaemon {
    /// A daemon that shows them without buttons.
    #[default]
    Plain,
    /// A daemon that draws the buttons of actions.
    WithButtons,
    /// Nobody; a test may start [`FakeNotifications`].
    None,
}

/// What the desktop has.
#[derive(Debug, Clone)]
pub struct DesktopOptions {
    /// An unlocked Secret Service.
    pub keyring: bool,
    /// Who shows tray icons.
    pub tray: Tray,
    /// Who shows notifications.
    pub notifications: NotificationDaemon,
    /// A window manager.
    pub window_manager: bool,
    /// Width and height of the screen in pixels.
    pub size: (u16, u16),
}

impl Default for DesktopOptions {
    fn default() -> Self {
        Self {
            keyring: true,
            tray: Tray::default(),
            notifications: NotificationDaemon::default(),
            window_manager: true,
            size: (1280, 800),
        }
    }
}

impl DesktopOptions {
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--size".to_owned(),
            format!("{}x{}", self.size.0, self.size.1),
        ];
        let mut flag = |given: bool, name: &str| {
            if given {
                arguments.push(name.to_owned());
            }
        };
        flag(!self.keyring, "--no-keyring");
        flag(self.tray != Tray::Panel, "--no-panel");
        flag(!self.window_manager, "--no-wm");
        flag(
            self.notifications == NotificationDaemon::None,
            "--no-notify",
        );
        flag(
            self.notifications == NotificationDaemon::WithButtons,
            "--buttons",
        );
        arguments
    }
}

/// A running desktop session. Ends when dropped, with everything that the session itself started.
#[derive(Debug)]
pub struct Desktop {
    session: Child,
    // the session ends when this closes
    stdin: Option<ChildStdin>,
    set: Vec<(String, String)>,
    unset: Vec<String>,
    tray_host: Option<Child>,
}

impl Desktop {
    /// Starts a session; takes about a second. Panics, naming what is missing, when it does not come up.
    #[must_use]
    pub fn start(options: &DesktopOptions) -> Self {
        packages::require(options);
        // prints the session's environment, then holds the session open until its stdin closes
        let hold = "env -0; printf '\\0'; exec cat >/dev/null";
        let mut session = Command::new("bash")
            .arg(script("with-desktop"))
            .args(options.arguments())
            .args(["--", "sh", "-c", hold])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is installed");
        let stdin = session.stdin.take();
        let stdout = session.stdout.take().expect("piped");
        let (send, received) = mpsc::channel();
        thread::spawn(move || {
            // nobody waits any more when the session came up too late
            let _ = send.send(read_environment(BufReader::new(stdout)));
        });
        let Ok(Some(inside)) = received.recv_timeout(START) else {
            drop(stdin);
            end(&mut session);
            panic!("the desktop did not come up; its own message stands above");
        };
        let outside: BTreeMap<String, String> = env::vars().collect();
        let unset = outside.keys().filter(|name| !inside.contains_key(*name));
        let unset = unset.cloned().collect();
        let set = inside
            .into_iter()
            .filter(|(name, value)| outside.get(name) != Some(value) && name != "_")
            .collect();
        let mut desktop = Self {
            session,
            stdin,
            set,
            unset,
            tray_host: None,
        };
        if options.tray == Tray::Scripted {
            desktop.start_tray();
        }
        desktop
    }

    /// Somebody begins to show tray icons, as [`Tray::Scripted`] would have from the start.
    pub fn start_tray(&mut self) {
        let mut command = self.python("tray-menu.py");
        let command = command.arg("serve").stdout(Stdio::piped());
        let mut host = command.spawn().expect("python is there");
        let mut ready = [0; 6];
        let stdout = host.stdout.as_mut().expect("piped");
        let started = stdout.read_exact(&mut ready);
        self.tray_host = Some(host);
        started.expect("the tray host starts; its own message stands above");
    }

    /// The variables that the session sets (`DISPLAY`, `DBUS_SESSION_BUS_ADDRESS`, `XDG_*`, `DESKTOP_SESSION_DIR` ...), in order.
    #[must_use]
    pub fn env(&self) -> &[(String, String)] {
        &self.set
    }

    /// Makes this command run inside the session; for tokio's command pass its `as_std_mut()`.
    pub fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for name in &self.unset {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)))
    }

    /// The session's own directory: its XDG directories, and logs in `log/`.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        let found = self.set.iter().find(|(n, _)| n == "DESKTOP_SESSION_DIR");
        found
            .map(|(_, dir)| dir.into())
            .expect("the session set it")
    }

    /// The labels of the first tray icon's menu, submenu entries as `Menu > Entry`. Waits up to 10 s for an icon.
    #[must_use]
    pub fn tray_labels(&self) -> Vec<String> {
        let labels = self.tray(&["labels"]).unwrap_or_else(|why| panic!("{why}"));
        labels.lines().map(str::to_owned).collect()
    }

    /// Every tray icon with its menu: `[{id, title, status, icon, entries: [{id, label, enabled, visible, checked?, children?}]}]`.
    #[must_use]
    pub fn tray_icons(&self) -> Value {
        let icons = self.tray(&["list"]).unwrap_or_else(|why| panic!("{why}"));
        serde_json::from_str(&icons).expect("the script prints JSON")
    }

    /// Presses the menu entry with this label. Waits up to 10 s for it to be there and enabled.
    ///
    /// # Errors
    /// Says what is missing, when there is no such icon or entry, or the entry is disabled.
    pub fn tray_click(&self, label: &str) -> Result<(), String> {
        self.tray(&["click", label]).map(drop)
    }

    /// How many visible windows have a title that matches this regular expression.
    #[must_use]
    pub fn windows(&self, title: &str) -> usize {
        let mut search = Command::new("xdotool");
        search.args(["search", "--onlyvisible", "--name", title]);
        let found = self.apply(&mut search).output();
        let found = found.expect("xdotool is installed");
        String::from_utf8_lossy(&found.stdout).lines().count()
    }

    /// Saves a picture of the whole screen.
    pub fn screenshot(&self, file: &Path) {
        let mut shot = Command::new("scrot");
        shot.arg("-o").arg(file);
        let done = self.apply(&mut shot).output().expect("scrot is installed");
        assert!(done.status.success(), "scrot: {}", errors(&done));
    }

    fn tray(&self, arguments: &[&str]) -> Result<String, String> {
        let done = self.run_python("tray-menu.py", arguments);
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        Err(errors(&done))
    }

    fn run_python(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = self.python(name);
        command.args(arguments).output().expect("python is there")
    }

    fn python(&self, name: &str) -> Command {
        let mut command = Command::new(PYTHON);
        command.arg(script(name)).stdin(Stdio::null());
        self.apply(&mut command);
        command
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        if let Some(host) = &mut self.tray_host {
            // it may have ended already
            let _ = host.kill();
            let _ = host.wait();
        }
        self.stdin.take();
        end(&mut self.session);
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("desktop")
        .join(name)
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// Reads `NAME=value` entries, each ended by NUL, up to an empty one. `None` when the stream ends before it.
fn read_environment(mut from: impl std::io::BufRead) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    loop {
        let mut entry = Vec::new();
        from.read_until(0, &mut entry).ok()?;
        if entry.pop()? == 0 && entry.is_empty() {
            return Some(found);
        }
        let entry = String::from_utf8_lossy(&entry);
        let (name, value) = entry.split_once('=')?;
        found.insert(name.to_owned(), value.to_owned());
    }
}

/// Waits for the session to clean up after itself; kills it when it does not.
fn end(session: &mut Child) {
    let until = Instant::now() + END;
    while Instant::now() < until {
        if !matches!(session.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    // it may have ended by now
    let _ = session.kill();
    let _ = session.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_environment_up_to_its_end() {
        let read = read_environment(&b"A=1\0B=x=y\nz\0\0rest"[..]);
        let read = read.map(|found| found.into_iter().collect::<Vec<_>>());
        let pairs = [("A", "1"), ("B", "x=y\nz")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(read, Some(pairs.to_vec()));
    }

    #[test]
    fn an_environment_that_breaks_off_is_none() {
        assert_eq!(read_environment(&b"A=1\0B="[..]), None);
        assert_eq!(read_environment(&b"A=1\0"[..]), None);
    }
}
