//! The keyring of a system that does what a test wants.

use super::Store;
use keyring_core::{
    Credential, Entry, Error,
    api::{CredentialApi, CredentialStoreApi},
};
use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Condvar, Mutex},
};

#[derive(Debug, Default, Clone)]
pub(super) struct System(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) entries: HashMap<String, Vec<u8>>,
    pub(super) opened: u32,
    pub(super) live: u32,
    pub(super) prompts: u32,
    /// Opening takes until this is false.
    pub(super) opening: bool,
    /// A person is asked at each access until this is false.
    pub(super) prompting: bool,
    /// If not 0, only so many are asked.
    pub(super) prompts_are_for: u32,
    pub(super) broken_until_opened: bool,
    pub(super) panics: bool,
}

impl System {
    pub(super) fn get<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.0.lock().unwrap())
    }

    pub(super) fn set<T>(&self, change: impl FnOnce(&mut State) -> T) {
        self.get(change);
        self.0.1.notify_all();
    }

    fn wait_while(&self, wanted: impl Fn(&mut State) -> bool) {
        drop(
            self.0
                .1
                .wait_while(self.0.0.lock().unwrap(), wanted)
                .unwrap(),
        );
    }

    pub(super) fn open(&self) -> keyring_core::Result<Store> {
        self.wait_while(|state| state.opening);
        self.get(|state| {
            state.opened += 1;
            state.live += 1;
            state.broken_until_opened = false;
        });
        Ok(Arc::new(FakeStore(self.clone())))
    }

    fn access<T>(&self, work: impl FnOnce(&mut State) -> T) -> keyring_core::Result<T> {
        if self.get(|state| {
            state.prompts += u32::from(state.prompting);
            state.prompts_are_for == 0 || state.prompts <= state.prompts_are_for
        }) {
            self.wait_while(|state| state.prompting);
        }
        let (panics, broken) = self.get(|state| (state.panics, state.broken_until_opened));
        assert!(!panics, "as the test wants it");
        if broken {
            return Err(Error::PlatformFailure("the connection is gone".into()));
        }
        Ok(self.get(work))
    }
}

#[derive(Debug)]
struct FakeStore(System);

impl Drop for FakeStore {
    fn drop(&mut self) {
        self.0.set(|state| state.live -= 1);
    }
}

impl CredentialStoreApi for FakeStore {
    fn vendor(&self) -> String {
        "test".to_owned()
    }

    fn id(&self) -> String {
        "test".to_owned()
    }

    fn build(
        &self,
        _: &str,
        user: &str,
        _: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        let (system, user) = (self.0.clone(), user.to_owned());
        Ok(Entry::new_with_credential(Arc::new(FakeEntry {
            system,
            user,
        })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct FakeEntry {
    system: System,
    user: String,
}

impl CredentialApi for FakeEntry {
    fn set_secret(&self, secret: &[u8]) -> keyring_core::Result<()> {
        let (user, secret) = (self.user.clone(), secret.to_vec());
        self.system.access(|state| {
            state.entries.insert(user, secret);
        })
    }

    fn get_secret(&self) -> keyring_core::Result<Vec<u8>> {
        self.system
            .access(|state| state.entries.get(&self.user).cloned())?
            .ok_or(Error::NoEntry)
    }

    fn delete_credential(&self) -> keyring_core::Result<()> {
        self.system
            .access(|state| state.entries.remove(&self.user))?
            .map(drop)
            .ok_or(Error::NoEntry)
    }

    fn get_credential(&self) -> keyring_core::Result<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
