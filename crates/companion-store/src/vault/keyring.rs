//! The keyring of the system: Secret Service, Keychain or Credential Manager.

#[cfg(test)]
mod fake;

use super::{Cause, SecretKey, Vault, VaultError};
use crate::platform;
use companion_core::snapshot::SecretStoreKind;
use keyring_core::{CredentialStore, Entry};
use secrecy::{ExposeSecret, SecretString};
use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError, SendError, Sender},
    },
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroize;

const SERVICE: &str = if cfg!(debug_assertions) {
    "claw-companion-dev"
} else {
    "claw-companion"
};
const LIMITS: Limits = Limits {
    open: Duration::from_secs(2),
    answer: Duration::from_secs(10),
    unanswered_prompt: Duration::from_secs(120),
    idle: Duration::from_secs(5),
};

/// Keeps secrets in the keyring of the system, each under `NAMESPACE/GATEWAY/KIND`; the namespace is the installation.
pub fn keyring_vault(namespace: &str) -> Arc<dyn Vault> {
    Arc::new(KeyringVault {
        namespace: namespace.to_owned(),
        open: Arc::new(platform::open_keyring),
        check_unlocked: platform::check_unlocked,
        limits: LIMITS,
        desk: Mutex::default(),
    })
}

type Store = Arc<CredentialStore>;
type Open = Arc<dyn Fn() -> keyring_core::Result<Store> + Send + Sync>;
/// Runs on the worker, which keeps the store between jobs.
type Job = Box<dyn FnOnce(&mut Option<Store>) + Send>;

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Until the store is reached.
    open: Duration,
    /// From then until it has answered, with a person unlocking it.
    answer: Duration,
    /// How long a call that got no answer keeps others from showing a second prompt.
    unanswered_prompt: Duration,
    /// After that long without calls the store is let go; it is opened anew for the next one.
    idle: Duration,
}

struct KeyringVault {
    namespace: String,
    open: Open,
    check_unlocked: fn() -> keyring_core::Result<()>,
    limits: Limits,
    /// Held for a whole call: calls take turns.
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    worker: Option<Sender<Job>>,
    unanswered: Option<Unanswered>,
}

/// A call that was given up while the worker is still in it.
struct Unanswered {
    since: Instant,
    phase: Phase,
    /// Goes with the job, also when it panics.
    unfinished: Weak<()>,
}

#[derive(Clone, Copy)]
enum Phase {
    Opening,
    Asking,
}

enum Step<T> {
    Opened,
    Done(Result<T, VaultError>),
}

impl KeyringVault {
    fn with_entry<T: Send + 'static>(
        &self,
        key: &SecretKey,
        work: impl Fn(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, VaultError> {
        let user = format!("{}/{key}", self.namespace);
        self.call(move |store| work(&platform::entry(store, SERVICE, &user)?))
    }

    /// Runs `work` on the worker and waits for it, but not for ever.
    fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&CredentialStore) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, VaultError> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        self.wait_for_earlier_prompt(&mut desk)?;
        let (tell, steps) = mpsc::channel();
        let running = Arc::new(());
        let unfinished = Arc::downgrade(&running);
        let job = job(Arc::clone(&self.open), work, tell, running);
        self.hand_over(&mut desk, job)?;
        let (phase, outcome) = self.follow(&steps);
        match outcome {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                desk.unanswered = Some(Unanswered {
                    since: Instant::now(),
                    phase,
                    unfinished,
                });
                Err(phase.too_late())
            }
            Err(RecvTimeoutError::Disconnected) => {
                desk.worker = None;
                Err(VaultError::Unavailable(
                    "the thread for the keyring ended".into(),
                ))
            }
        }
    }

    fn wait_for_earlier_prompt(&self, desk: &mut Desk) -> Result<(), VaultError> {
        let Some(unanswered) = desk.unanswered.take() else {
            return Ok(());
        };
        if unanswered.unfinished.strong_count() == 0 {
            return Ok(());
        }
        if unanswered.since.elapsed() < self.limits.unanswered_prompt {
            let error = unanswered.phase.too_late();
            desk.unanswered = Some(unanswered);
            return Err(error);
        }
        // whatever it waits for, it never came: leave that thread behind
        desk.worker = None;
        Ok(())
    }

    fn hand_over(&self, desk: &mut Desk, job: Job) -> Result<(), VaultError> {
        let job = match &desk.worker {
            Some(worker) => match worker.send(job) {
                Ok(()) => return Ok(()),
                // it panicked
                Err(SendError(job)) => job,
            },
            None => job,
        };
        let (worker, jobs) = mpsc::channel();
        let idle = self.limits.idle;
        thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || work_off(job, &jobs, idle))
            .map_err(|error| VaultError::Unavailable(error.into()))?;
        desk.worker = Some(worker);
        Ok(())
    }

    fn follow<T>(
        &self,
        steps: &Receiver<Step<T>>,
    ) -> (Phase, Result<Result<T, VaultError>, RecvTimeoutError>) {
        match steps.recv_timeout(self.limits.open) {
            Ok(Step::Done(answer)) => return (Phase::Opening, Ok(answer)),
            Err(error) => return (Phase::Opening, Err(error)),
            Ok(Step::Opened) => {}
        }
        let deadline = Instant::now() + self.limits.answer;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match steps.recv_timeout(left) {
                Ok(Step::Done(answer)) => return (Phase::Asking, Ok(answer)),
                Err(error) => return (Phase::Asking, Err(error)),
                Ok(Step::Opened) => {}
            }
        }
    }
}

impl Phase {
    fn too_late(self) -> VaultError {
        let cause: Cause = io::Error::from(io::ErrorKind::TimedOut).into();
        match self {
            Self::Opening => VaultError::Unavailable(cause),
            Self::Asking => VaultError::Locked(cause),
        }
    }
}

fn work_off(first: Job, jobs: &Receiver<Job>, idle: Duration) {
    let mut store = None;
    first(&mut store);
    loop {
        let job = match jobs.recv_timeout(idle) {
            Err(RecvTimeoutError::Timeout) => {
                store = None;
                jobs.recv().ok()
            }
            job => job.ok(),
        };
        let Some(job) = job else { return };
        job(&mut store);
    }
}

fn job<T: Send + 'static>(
    open: Open,
    work: impl Fn(&CredentialStore) -> keyring_core::Result<T> + Send + 'static,
    tell: Sender<Step<T>>,
    running: Arc<()>,
) -> Job {
    Box::new(move |kept| {
        let attempt = |kept: &mut Option<Store>| {
            let store = match kept {
                Some(store) => Arc::clone(store),
                None => Arc::clone(kept.insert(open().map_err(understood)?)),
            };
            // nobody listens any more once the call was given up
            let _ = tell.send(Step::Opened);
            work(store.as_ref()).map_err(understood)
        };
        let was_kept = kept.is_some();
        let mut answer = attempt(kept);
        if was_kept && matches!(&answer, Err(error) if error.is_unavailable()) {
            // the service behind a kept store may have been started anew
            *kept = None;
            answer = attempt(kept);
        }
        if answer.is_err() {
            *kept = None;
        }
        let _ = tell.send(Step::Done(answer));
        drop(running);
    })
}

/// Leaves behind whatever in the error could hold a secret.
fn understood(error: keyring_core::Error) -> VaultError {
    use keyring_core::Error;
    match error {
        Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) => {
            if platform::says_locked(cause.as_ref()) {
                VaultError::Locked(cause)
            } else {
                VaultError::Unavailable(cause)
            }
        }
        Error::TooLong(..) => VaultError::TooLarge,
        Error::BadEncoding(mut bytes) | Error::BadDataFormat(mut bytes, _) => {
            bytes.zeroize();
            VaultError::Unreadable
        }
        Error::BadStoreFormat(_) => VaultError::Refused("its own data is damaged"),
        Error::Ambiguous(_) => VaultError::Refused("it has several entries of one name"),
        Error::Invalid(..) => VaultError::Refused("it does not take entries of this form"),
        Error::NoEntry | Error::NoDefaultStore | Error::NotSupportedByStore(_) | _ => {
            VaultError::Refused("it cannot do this")
        }
    }
}

impl Vault for KeyringVault {
    fn kind(&self) -> SecretStoreKind {
        SecretStoreKind::Keyring
    }

    fn probe(&self) -> Result<(), VaultError> {
        let user = format!("{}/probe", self.namespace);
        let check_unlocked = self.check_unlocked;
        self.call(move |store| {
            check_unlocked()?;
            match platform::entry(store, SERVICE, &user)?.get_secret() {
                Ok(_) | Err(keyring_core::Error::NoEntry) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn read(&self, key: &SecretKey) -> Result<Option<SecretString>, VaultError> {
        self.with_entry(key, |entry| match entry.get_secret() {
            Ok(bytes) => String::from_utf8(bytes)
                .map(|text| Some(SecretString::from(text)))
                .map_err(|error| keyring_core::Error::BadEncoding(error.into_bytes())),
            Err(keyring_core::Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn write(&self, key: &SecretKey, secret: &SecretString) -> Result<(), VaultError> {
        let secret = secret.clone();
        // bytes, since as text the Credential Manager of Windows holds half as much
        self.with_entry(key, move |entry| {
            entry.set_secret(secret.expose_secret().as_bytes())
        })
    }

    fn delete(&self, key: &SecretKey) -> Result<(), VaultError> {
        self.with_entry(key, |entry| match entry.delete_credential() {
            Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
            Err(keyring_core::Error::Ambiguous(entries)) => {
                entries.iter().try_for_each(Entry::delete_credential)
            }
            Err(error) => Err(error),
        })
    }
}

impl fmt::Debug for KeyringVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringVault")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{fake::System, *};
    use crate::vault::{
        SecretKind,
        tests::{holds, keeps_the_contract, key},
    };
    #[test]
    fn any_keyring_keeps_the_contract() {
        keeps_the_contract(&vault(&System::default(), LIMITS));
    }

    #[test]
    fn a_prompt_that_nobody_answers_is_shown_once_and_never_waited_for_twice() {
        let system = System::default();
        let vault = vault(&system, impatient(Duration::from_secs(600)));
        system.set(|state| state.prompting = true);
        let name = key("gw-1", SecretKind::Identity);
        assert!(vault.write(&name, &"seed".into()).unwrap_err().is_locked());
        assert!(vault.read(&name).unwrap_err().is_locked());
        assert!(vault.probe().unwrap_err().is_locked());
        assert_eq!(system.get(|state| state.prompts), 1);
        system.set(|state| state.prompting = false);
        until(|| vault.probe().is_ok());
        assert!(holds(&vault, &name, &"seed".into()), "a late answer counts");
    }

    #[test]
    fn a_thread_that_hangs_for_too_long_is_left_behind() {
        let system = System::default();
        let vault = vault(&system, impatient(Duration::from_millis(50)));
        system.set(|state| state.prompting = true);
        let name = key("gw-1", SecretKind::Identity);
        assert!(vault.read(&name).unwrap_err().is_locked());
        system.set(|state| state.prompts_are_for = 1);
        until(|| vault.read(&name).is_ok());
        system.set(|state| state.prompting = false);
    }

    #[test]
    fn a_store_that_cannot_be_reached_in_time_is_unavailable() {
        let system = System::default();
        let vault = vault(
            &system,
            Limits {
                open: Duration::from_millis(200),
                ..LIMITS
            },
        );
        system.set(|state| state.opening = true);
        assert!(vault.probe().unwrap_err().is_unavailable());
        system.set(|state| state.opening = false);
        until(|| vault.probe().is_ok());
    }

    #[test]
    fn a_store_is_kept_between_calls_and_opened_anew_after_a_failure_or_a_rest() {
        let system = System::default();
        let vault = vault(
            &system,
            Limits {
                idle: Duration::from_secs(1),
                ..LIMITS
            },
        );
        vault.probe().unwrap();
        vault.probe().unwrap();
        assert_eq!(system.get(|state| state.opened), 1);
        system.set(|state| state.broken_until_opened = true);
        vault.probe().unwrap();
        assert_eq!(system.get(|state| state.opened), 2);
        until(|| system.get(|state| state.live) == 0);
        vault.probe().unwrap();
        assert_eq!(system.get(|state| state.opened), 3);
    }

    #[test]
    fn a_store_that_panics_is_unavailable_and_may_come_back() {
        let system = System::default();
        let vault = vault(&system, LIMITS);
        system.set(|state| state.panics = true);
        assert!(vault.probe().unwrap_err().is_unavailable());
        system.set(|state| state.panics = false);
        vault.probe().unwrap();
    }

    #[test]
    fn an_entry_that_is_not_text_stays_out_of_the_error() {
        let system = System::default();
        let vault = vault(&system, LIMITS);
        let name = key("gw-1", SecretKind::SharedToken);
        let user = format!("test/{name}");
        system.set(|state| state.entries.insert(user, b"CANARY\xff".to_vec()));
        let error = vault.read(&name).unwrap_err();
        assert!(matches!(error, VaultError::Unreadable));
        let canary = format!("{:?}", b"CANARY");
        assert!(!format!("{error:?}").contains(canary.trim_matches(['[', ']'])));
    }

    fn vault(system: &System, limits: Limits) -> KeyringVault {
        let system = system.clone();
        KeyringVault {
            namespace: "test".to_owned(),
            open: Arc::new(move || system.open()),
            check_unlocked: || Ok(()),
            limits,
            desk: Mutex::default(),
        }
    }

    fn impatient(unanswered_prompt: Duration) -> Limits {
        Limits {
            answer: Duration::from_millis(200),
            unanswered_prompt,
            ..LIMITS
        }
    }

    fn until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < deadline, "it never came");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
