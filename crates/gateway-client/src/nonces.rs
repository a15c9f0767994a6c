//! Which challenges this process signed already.

use sha2::{Digest, Sha256};
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

const REMEMBERED: usize = 4096;

/// The nonces that this process signed, the latest 4096. Clones share one set: give every [`crate::Dial`] a clone of
/// the same.
#[derive(Debug, Clone, Default)]
pub struct SeenNonces(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    digests: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl SeenNonces {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the nonce; `false` when it was there before.
    pub(crate) fn is_first_use(&self, nonce: &str) -> bool {
        let digest = Sha256::digest(nonce).into();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.digests.insert(digest) {
            return false;
        }
        seen.order.push_back(digest);
        if seen.order.len() > REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.digests.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_they_saw() {
        let nonces = SeenNonces::new();
        assert!(nonces.is_first_use("a"));
        assert!(!nonces.clone().is_first_use("a"));
        assert!(nonces.clone().is_first_use("b"));
        assert!(!nonces.is_first_use("b"));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let nonces = SeenNonces::new();
        for number in 0..=REMEMBERED {
            assert!(nonces.is_first_use(&number.to_string()));
        }
        assert!(!nonces.is_first_use("1"));
        assert!(nonces.is_first_use("0"));
    }
}
