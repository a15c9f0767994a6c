//! Packages of Debian and its relatives.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// Packages that serve one purpose, which set-up tells the person.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) purpose: &'static str,
    pub(crate) packages: &'static [&'static str],
}

pub(crate) const BUILD: Need = Need {
    purpose: "building the companion and its window",
    packages: &["build-essential", "libwebkit2gtk-4.1-dev", "pkg-config"],
};

pub(crate) const NODE: Need = Need {
    purpose: "building the UI and installing a private gateway",
    packages: &["nodejs", "npm"],
};

pub(crate) const DESKTOP: Need = Need {
    purpose: "testing the tray and the window on a desktop without a screen",
    packages: &[
        "dbus",
        "dunst",
        "gnome-keyring",
        "libsecret-tools",
        "openbox",
        "python3-gi",
        "scrot",
        "webkit2gtk-driver",
        "x11-utils",
        "xdotool",
        "xfce4-panel",
        "xfconf",
        "xvfb",
    ],
};

pub(crate) const CHROOT: Need = Need {
    purpose: "building and testing for Windows and macOS",
    packages: &["debootstrap", "debian-archive-keyring"],
};

/// Whether this system installs its packages with apt.
pub(crate) fn is_here() -> bool {
    shell::on_linux() && shell::find("apt-get").is_some() && shell::find("dpkg-query").is_some()
}

/// Installs the packages that are missing, saying which and why. Fails without root and sudo.
pub(crate) fn install(needs: &[Need]) -> Result<()> {
    let mut missing = BTreeSet::new();
    for need in needs {
        let absent = absent(need.packages);
        if !absent.is_empty() {
            println!("For {}: {}", need.purpose, absent.join(" "));
            missing.extend(absent);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    shell::run(apt_get()?.args(["update", "-qq"]))?;
    shell::run(
        apt_get()?
            .args([
                "install",
                "-y",
                "-qq",
                "-o",
                "Dpkg::Use-Pty=0",
                "--no-install-recommends",
            ])
            .args(missing),
    )
}

fn absent<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let mut query = Command::new("dpkg-query");
    query
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(packages);
    // dpkg-query fails when it never heard of one of them, and still prints the others.
    let known = query
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    missing(packages, &known)
}

fn missing<'a>(packages: &[&'a str], known: &str) -> Vec<&'a str> {
    let installed: BTreeSet<&str> = known
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    packages
        .iter()
        .copied()
        .filter(|package| !installed.contains(package))
        .collect()
}

fn apt_get() -> Result<Command> {
    if shell::is_root() {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(command);
    }
    if shell::find("sudo").is_none() {
        bail!(
            "installing packages needs root or sudo, and neither is here: install the packages above, then try again"
        );
    }
    let mut command = Command::new("sudo");
    command.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_unknown_or_removed_is_missing() {
        let known = "dbus installed\nxvfb config-files\n";
        assert_eq!(
            missing(&["dbus", "xvfb", "openbox"], known),
            ["xvfb", "openbox"]
        );
    }
}
