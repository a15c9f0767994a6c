//! The throw-away desktop, with the programs a person would use on it.

#![allow(clippy::unwrap_used, reason = "tests, their clients too")]

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use test_support::{Desktop, DesktopOptions, FakeNotifications, NotificationDaemon, Tray};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn shows_windows_keeps_secrets_and_hears_notifications() {
    let desktop = Desktop::start(&DesktopOptions {
        tray: Tray::Scripted,
        notifications: NotificationDaemon::None,
        ..DesktopOptions::default()
    });
    let names: Vec<&str> = desktop
        .env()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for name in [
        "DISPLAY",
        "DBUS_SESSION_BUS_ADDRESS",
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(desktop.directory().join("log").is_dir());

    let mut message = Command::new("xmessage");
    message.args(["-title", "Desktop test", "hello"]);
    let mut message = desktop.apply(&mut message).spawn().unwrap();
    wait_until(|| desktop.windows("^Desktop test$") == 1);
    let picture = desktop.directory().join("screen.png");
    desktop.screenshot(&picture);
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    message.kill().unwrap();
    message.wait().unwrap();

    let store =
        "printf secret | secret-tool store --label=x key value && secret-tool lookup key value";
    let mut secret = Command::new("sh");
    let looked_up = desktop.apply(secret.args(["-c", store])).output().unwrap();
    assert_eq!(looked_up.stdout, b"secret");

    let daemon = FakeNotifications::pressing(&desktop, "yes");
    let mut notify = Command::new("notify-send");
    notify.args(["--action=yes=Yes", "Paired", "with the gateway"]);
    let pressed = desktop.apply(&mut notify).output().unwrap();
    assert_eq!(pressed.stdout, b"yes\n");
    let shown = daemon.next(SOON).unwrap();
    assert_eq!(shown["summary"], "Paired");
    assert_eq!(shown["body"], "with the gateway");
    assert_eq!(shown["actions"]["yes"], "Yes");
}

#[test]
fn ends_with_everything_that_it_started() {
    let desktop = Desktop::start(&DesktopOptions {
        keyring: false,
        window_manager: false,
        notifications: NotificationDaemon::None,
        tray: Tray::None,
        size: (640, 480),
    });
    let directory = desktop.directory();
    let bus = directory.join("run/bus");
    assert!(bus.exists());
    drop(desktop);
    assert!(!directory.exists());
}

fn wait_until(done: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < until, "waited in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}
