//! Unix files and the Secret Service.

#[path = "unix.rs"]
mod unix;

pub(crate) use unix::{make_private_dir, open_lock, open_private, sync_dir};

use keyring_core::{CredentialStore, Entry, Error, Result};
use secret_service::{EncryptionType, blocking::SecretService};
use std::{collections::HashMap, sync::Arc};
use zbus_secret_service_keyring_store::Store;

pub(crate) fn open_keyring() -> Result<Arc<CredentialStore>> {
    Ok(Store::new()?)
}

/// An entry with the name under which the person's keyring program shows it.
pub(crate) fn entry(store: &CredentialStore, service: &str, user: &str) -> Result<Entry> {
    let label = format!("Claw Companion ({user})");
    store.build(service, user, Some(&HashMap::from([("label", &*label)])))
}

/// Asks for the state of the collection that new entries go to, which shows no prompt.
pub(crate) fn check_unlocked() -> Result<()> {
    let locked = SecretService::connect(EncryptionType::Plain)
        .and_then(|service| service.get_default_collection()?.is_locked());
    match locked {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::NoStorageAccess(secret_service::Error::Locked.into())),
        Err(error) => Err(Error::PlatformFailure(error.into())),
    }
}

/// Does this failure mean that a person has to unlock something?
pub(crate) fn says_locked(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(
        cause.downcast_ref(),
        Some(secret_service::Error::Locked | secret_service::Error::Prompt)
    )
}

#[cfg(test)]
mod tests {
    use super::unix::tests::has_passed;
    use crate::vault::{
        SecretKind, Vault,
        keyring::keyring_vault,
        tests::{holds, keeps_the_contract, key},
    };
    use std::{
        env, fs,
        io::Write,
        os::unix::net::UnixListener,
        path::Path,
        process::{Child, Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    const INSIDE: &str = "COMPANION_STORE_TEST_SESSION";

    #[test]
    fn the_secret_service_keeps_the_contract() {
        in_a_session("the_secret_service_keeps_the_contract", || {
            let _daemon = Daemon::start(Collection::Unlocked);
            keeps_the_contract(&*keyring_vault("contract"));
        });
    }

    #[test]
    fn a_service_may_come_and_go() {
        in_a_session("a_service_may_come_and_go", || {
            let vault = keyring_vault("comes-and-goes");
            let name = key("gw-1", SecretKind::Identity);
            is_unavailable_at_once(&*vault);
            let early = vault.write(&name, &"early".into());
            assert!(early.unwrap_err().is_unavailable());
            let daemon = Daemon::start(Collection::Unlocked);
            vault.write(&name, &"kept".into()).unwrap();
            drop(daemon);
            let daemon = Daemon::start(Collection::Unlocked);
            assert!(holds(&*vault, &name, &"kept".into()), "a restart unseen");
            drop(daemon);
            assert!(vault.read(&name).unwrap_err().is_unavailable());
            let _daemon = Daemon::start(Collection::Unlocked);
            assert!(holds(&*vault, &name, &"kept".into()), "a restart seen");
        });
    }

    #[test]
    fn a_locked_collection_is_told_from_a_missing_entry() {
        in_a_session("a_locked_collection_is_told_from_a_missing_entry", || {
            let _daemon = Daemon::start(Collection::Unlocked);
            let vault = keyring_vault("locked");
            let stored = key("gw-1", SecretKind::Identity);
            let missing = key("gw-1", SecretKind::SharedToken);
            vault.write(&stored, &"seed".into()).unwrap();
            lock_the_collection();
            assert!(vault.probe().unwrap_err().is_locked());
            assert!(vault.read(&missing).unwrap().is_none());
            assert!(vault.read(&stored).unwrap_err().is_locked());
            for name in [stored, missing] {
                let refused = vault.write(&name, &"new".into());
                assert!(refused.unwrap_err().is_locked());
            }
        });
    }

    #[test]
    fn a_service_without_a_collection_is_no_store() {
        in_a_session("a_service_without_a_collection_is_no_store", || {
            let _daemon = Daemon::start(Collection::Missing);
            let vault = keyring_vault("empty");
            let name = key("gw-1", SecretKind::Identity);
            is_unavailable_at_once(&*vault);
            assert!(vault.read(&name).unwrap().is_none());
            let refused = vault.write(&name, &"seed".into());
            assert!(refused.unwrap_err().is_unavailable());
        });
    }

    #[test]
    fn without_a_bus_the_store_is_unavailable() {
        let test = "without_a_bus_the_store_is_unavailable";
        on_a_bus_at_a_socket(
            test,
            |_| (),
            || {
                is_unavailable_at_once(&*keyring_vault("no-bus"));
            },
        );
    }

    #[test]
    fn a_bus_that_never_answers_is_not_waited_for() {
        let test = "a_bus_that_never_answers_is_not_waited_for";
        on_a_bus_at_a_socket(
            test,
            |socket| UnixListener::bind(socket).unwrap(),
            || {
                is_unavailable_at_once(&*keyring_vault("silent-bus"));
            },
        );
    }

    fn is_unavailable_at_once(vault: &dyn Vault) {
        let asked = Instant::now();
        assert!(vault.probe().unwrap_err().is_unavailable());
        assert!(asked.elapsed() < Duration::from_millis(2500));
    }

    fn lock_the_collection() {
        let status = Command::new("dbus-send")
            .args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.secrets",
                "/org/freedesktop/secrets",
                "org.freedesktop.Secret.Service.Lock",
                "array:objpath:/org/freedesktop/secrets/collection/login",
            ])
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("dbus-send starts: install dbus").success());
    }

    /// Runs `inside` in this test's second process, on a bus that starts nothing by itself.
    fn in_a_session(test: &str, inside: impl FnOnce()) {
        if env::var_os(INSIDE).is_some() {
            return inside();
        }
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("bus.conf");
        let bus = include_str!("../../tests/bus.conf");
        let listen = folder.path().display().to_string();
        fs::write(&configuration, bus.replace("@FOLDER@", &listen)).unwrap();
        let mut command = Command::new("dbus-run-session");
        command.arg("--config-file").arg(&configuration);
        command.arg("--").arg(env::current_exe().unwrap());
        again(
            test,
            command.env_remove("DBUS_SESSION_BUS_ADDRESS"),
            folder.path(),
        );
    }

    /// Runs `inside` in this test's second process, whose bus is said to be at the socket that `listen` gets.
    fn on_a_bus_at_a_socket<T>(test: &str, listen: impl FnOnce(&Path) -> T, inside: impl FnOnce()) {
        if env::var_os(INSIDE).is_some() {
            return inside();
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        let _listens = listen(&socket);
        let mut command = Command::new(env::current_exe().unwrap());
        let address = format!("unix:path={}", socket.display());
        again(
            test,
            command.env("DBUS_SESSION_BUS_ADDRESS", address),
            folder.path(),
        );
    }

    /// Runs the test in a second process, at home in an empty folder.
    fn again(test: &str, command: &mut Command, home: &Path) {
        let output = command
            .args(["--exact", &format!("platform::tests::{test}")])
            .env(INSIDE, "")
            .env("HOME", home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_RUNTIME_DIR", home)
            .env_remove("GNOME_KEYRING_CONTROL")
            .output()
            .expect("dbus-run-session starts: install dbus");
        has_passed(&output);
    }

    struct Daemon(Child);

    #[derive(Clone, Copy, PartialEq)]
    enum Collection {
        Unlocked,
        Missing,
    }

    impl Daemon {
        fn start(collection: Collection) -> Self {
            let mut command = Command::new("gnome-keyring-daemon");
            command.args(["--foreground", "--components=secrets"]);
            if collection == Collection::Unlocked {
                command.arg("--unlock");
            }
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("gnome-keyring-daemon starts: install gnome-keyring");
            child.stdin.take().unwrap().write_all(b"test").unwrap();
            let daemon = Self(child);
            let deadline = Instant::now() + Duration::from_secs(20);
            while !is_up(collection) {
                assert!(Instant::now() < deadline, "the keyring never answered");
                thread::sleep(Duration::from_millis(20));
            }
            daemon
        }
    }

    fn is_up(collection: Collection) -> bool {
        match collection {
            Collection::Unlocked => super::check_unlocked().is_ok(),
            Collection::Missing => super::open_keyring().is_ok(),
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
}
