//! Starts the companion from this checkout, with a profile of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result};
use clap::Args;

use crate::programs::{self, Profile};
use crate::{node, platform, setup, shell, ui};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Without tray and window
    #[arg(long)]
    headless: bool,
    /// Build with optimisations
    #[arg(long)]
    release: bool,
    /// Passed on to `claw-companion run`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What this machine and this profile have.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    gateway_configured: bool,
    secret_service: bool,
    display: bool,
}

pub(crate) fn main(options: &Options) -> Result<ExitCode> {
    setup::for_build()?;
    node::install()?;
    ui::build()?;
    let programs = programs::build(if options.release {
        Profile::Release
    } else {
        Profile::Debug
    })?;

    let home = development_home()?;
    println!(
        "Development profile: {} (its own gateways, secrets and settings)",
        home.display()
    );
    let surroundings = Surroundings {
        gateway_configured: has_gateways(&home.join("gateways.json"))?,
        secret_service: secret_service_is_here(),
        display: display_is_here(),
    };
    let (arguments, reasons) = arguments(options, surroundings);
    for reason in reasons {
        println!("{reason}");
    }
    println!(
        "Ask it from another terminal: CLAW_COMPANION_HOME='{}' {} status",
        home.display(),
        programs.companion.display()
    );
    let mut companion = Command::new(programs.companion);
    companion
        .arg("run")
        .args(arguments)
        .env("CLAW_COMPANION_HOME", home);
    platform::become_program(&mut companion)
}

/// What to start the companion with, and a line for each thing that the person did not ask for.
fn arguments(options: &Options, surroundings: Surroundings) -> (Vec<String>, Vec<&'static str>) {
    let mut arguments = options.arguments.clone();
    let mut reasons = Vec::new();
    let given = |name: &str| {
        options
            .arguments
            .iter()
            .any(|given| given.split('=').next() == Some(name))
    };
    let mut add = |extra: &[&str]| arguments.extend(extra.iter().copied().map(String::from));

    if options.headless {
        add(&["--headless"]);
    } else if !surroundings.display && !given("--headless") {
        reasons.push("No display here: starting without tray and window (--headless).");
        add(&["--headless"]);
    }
    // with gateways there, the store that was chosen before holds their secrets
    if !surroundings.secret_service && !surroundings.gateway_configured && !given("--secret-store")
    {
        reasons.push("No Secret Service here: secrets go into a file that only you can read (--secret-store file).");
        add(&["--secret-store", "file"]);
    }
    if !surroundings.gateway_configured {
        if !given("--with-local-gateway") {
            reasons.push(
                "No gateway is configured: starting a private one here (--with-local-gateway).",
            );
            add(&["--with-local-gateway"]);
        }
        if !given("--approve-node") {
            reasons.push("It may use these commands on this computer: system.notify, system.which (--approve-node).");
            add(&["--approve-node"]);
        }
    }
    (arguments, reasons)
}

/// Apart from the profile of an installed companion, unless the person names another place.
fn development_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CLAW_COMPANION_HOME").filter(|home| !home.is_empty()) {
        return Ok(PathBuf::from(home));
    }
    let home = || env::home_dir().context("no home directory is known");
    let data = match (env::var_os("XDG_DATA_HOME"), env::consts::OS) {
        (_, "macos") => home()?.join("Library/Application Support"),
        (_, "windows") => {
            PathBuf::from(env::var_os("LOCALAPPDATA").context("LOCALAPPDATA is not set")?)
        }
        (Some(folder), _) if !folder.is_empty() => PathBuf::from(folder),
        (_, _) => home()?.join(".local/share"),
    };
    Ok(data.join("claw-companion-dev"))
}

fn has_gateways(registry: &Path) -> Result<bool> {
    if !registry.exists() {
        return Ok(false);
    }
    let text = fs::read_to_string(registry)
        .with_context(|| format!("cannot read {}", registry.display()))?;
    Ok(lists_gateways(&text))
}

/// A registry that cannot be read counts as configured: the companion reports it, and a new gateway would hide that.
fn lists_gateways(registry: &str) -> bool {
    let Ok(registry) = serde_json::from_str::<serde_json::Value>(registry) else {
        return true;
    };
    registry
        .get("gateways")
        .and_then(serde_json::Value::as_array)
        .is_none_or(|gateways| !gateways.is_empty())
}

fn display_is_here() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !shell::on_linux() || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

fn secret_service_is_here() -> bool {
    if !shell::on_linux() {
        return true;
    }
    session_bus_is_here()
        && ["ListNames", "ListActivatableNames"]
            .into_iter()
            .any(|method| {
                let mut ask = Command::new("dbus-send");
                ask.args([
                    "--session",
                    "--print-reply",
                    "--reply-timeout=2000",
                    "--dest=org.freedesktop.DBus",
                ]);
                ask.arg("/org/freedesktop/DBus")
                    .arg(format!("org.freedesktop.DBus.{method}"));
                shell::quiet_output(&mut ask)
                    .is_some_and(|names| names.contains("\"org.freedesktop.secrets\""))
            })
}

/// Asking would start a bus where there is none.
fn session_bus_is_here() -> bool {
    env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
        || env::var_os("XDG_RUNTIME_DIR")
            .is_some_and(|folder| Path::new(&folder).join("bus").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESKTOP: Surroundings = Surroundings {
        gateway_configured: true,
        secret_service: true,
        display: true,
    };
    const BARE: Surroundings = Surroundings {
        gateway_configured: false,
        secret_service: false,
        display: false,
    };

    fn options(headless: bool, arguments: &[&str]) -> Options {
        Options {
            headless,
            release: false,
            arguments: arguments.iter().copied().map(String::from).collect(),
        }
    }

    #[test]
    fn a_configured_desktop_gets_nothing_that_was_not_asked_for() {
        let (arguments, reasons) = arguments(&options(false, &[]), DESKTOP);
        assert!(arguments.is_empty());
        assert!(reasons.is_empty());
    }

    #[test]
    fn a_bare_machine_gets_everything_it_needs_and_hears_of_each_thing() {
        let (arguments, reasons) = arguments(&options(false, &[]), BARE);
        assert_eq!(
            arguments,
            [
                "--headless",
                "--secret-store",
                "file",
                "--with-local-gateway",
                "--approve-node"
            ]
        );
        for said in [
            "--headless",
            "--secret-store file",
            "--with-local-gateway",
            "system.notify, system.which",
        ] {
            assert!(reasons.iter().any(|reason| reason.contains(said)), "{said}");
        }
    }

    #[test]
    fn what_the_person_gave_is_not_given_twice() {
        let given = [
            "--headless",
            "--secret-store=memory",
            "--with-local-gateway",
            "--approve-node",
        ];
        let (arguments, reasons) = arguments(&options(false, &given), BARE);
        assert_eq!(arguments, given);
        assert!(reasons.is_empty());
    }

    #[test]
    fn a_registry_without_entries_is_not_configured_and_a_damaged_one_is() {
        assert!(!lists_gateways(r#"{"version":1,"gateways":[]}"#));
        assert!(lists_gateways(r#"{"version":1,"gateways":[{"id":"a"}]}"#));
        assert!(lists_gateways("{"));
    }
}
