//! What the desktop is made of, so that a bare machine is told what it lacks.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use super::{DesktopOptions, NotificationDaemon, Tray};

/// Panics with the names of the packages that are missing for such a desktop.
pub(super) fn require(options: &DesktopOptions) {
    let missing = missing(&needed(options), is_program, has_dbus_bindings);
    assert!(
        missing.is_empty(),
        "this test needs the Debian packages {}: install them, or run `cargo xtask setup --tests`",
        missing.join(" ")
    );
}

/// Programs with the packages that bring them.
fn needed(options: &DesktopOptions) -> Vec<(&'static str, &'static str)> {
    let mut needed = vec![
        ("Xvfb", "xvfb"),
        ("dbus-daemon", "dbus"),
        ("scrot", "scrot"),
        ("xdotool", "xdotool"),
        ("xprop", "x11-utils"),
    ];
    let mut part = |wanted: bool, program, package| {
        if wanted {
            needed.push((program, package));
        }
    };
    part(options.window_manager, "openbox", "openbox");
    part(options.keyring, "gnome-keyring-daemon", "gnome-keyring");
    part(options.keyring, "secret-tool", "libsecret-tools");
    part(options.tray == Tray::Panel, "xfce4-panel", "xfce4-panel");
    part(
        options.notifications == NotificationDaemon::Plain,
        "dunst",
        "dunst",
    );
    needed
}

fn missing(
    needed: &[(&'static str, &'static str)],
    is_program: impl Fn(&str) -> bool,
    has_dbus_bindings: impl Fn() -> bool,
) -> Vec<&'static str> {
    let absent = needed.iter().filter(|(program, _)| !is_program(program));
    let mut packages: Vec<_> = absent.map(|(_, package)| *package).collect();
    if !has_dbus_bindings() {
        packages.push("python3-gi");
    }
    packages
}

fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn has_dbus_bindings() -> bool {
    Path::new(super::PYTHON).is_file()
        && Command::new(super::PYTHON)
            .args(["-c", "import gi"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing_of_what_is_wanted() {
        let all = needed(&DesktopOptions::default());
        let only = |program: &str| program == "Xvfb" || program == "dbus-daemon";
        assert_eq!(
            missing(&all, only, || false),
            [
                "scrot",
                "xdotool",
                "x11-utils",
                "openbox",
                "gnome-keyring",
                "libsecret-tools",
                "xfce4-panel",
                "dunst",
                "python3-gi"
            ]
        );
        assert!(missing(&all, |_| true, || true).is_empty());
    }

    #[test]
    fn what_is_not_wanted_is_not_missing() {
        let bare = needed(&DesktopOptions {
            keyring: false,
            tray: Tray::None,
            notifications: NotificationDaemon::None,
            window_manager: false,
            size: (640, 480),
        });
        assert_eq!(
            missing(&bare, |_| false, || true),
            ["xvfb", "dbus", "scrot", "xdotool", "x11-utils"]
        );
    }
}
