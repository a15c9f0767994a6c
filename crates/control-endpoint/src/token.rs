//! The one secret of the endpoint.

use crate::error::Error;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use companion_store::{DataDir, read_private, write_private};
use hmac::{Hmac, Mac};
use http::{HeaderValue, header::InvalidHeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::{io, path::PathBuf};
use subtle::ConstantTimeEq;

const FILE: &str = "control-token";
const BYTES: usize = 32;
/// Base64url of 32 bytes.
const LENGTH: usize = 43;
/// Keeps a proof from meaning anything elsewhere.
const PURPOSE: &str = "claw-companion control endpoint 1";

/// 256 random bits, once per data folder. Whoever can read the file may control the companion.
#[derive(Clone)]
pub(crate) struct ControlToken(SecretString);

impl ControlToken {
    /// Where it is kept.
    pub(crate) fn path(dir: &DataDir) -> PathBuf {
        dir.path().join(FILE)
    }

    /// Reads it, or makes it if there is none that was kept private.
    pub(crate) fn load_or_make(dir: &DataDir) -> Result<Self, Error> {
        use companion_store::Error as Store;
        match Self::load(dir) {
            Ok(Some(token)) => return Ok(token),
            Ok(None) | Err(Store::NotPrivate(_) | Store::WrongOwner(_) | Store::NotAFile(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bits = [0; BYTES];
        getrandom::fill(&mut bits).map_err(Error::NoRandomness)?;
        let text = URL_SAFE_NO_PAD.encode(bits);
        write_private(&Self::path(dir), text.as_bytes())?;
        Ok(Self(text.into()))
    }

    /// Reads it; `None` if there is none, or something else stands in its file.
    pub(crate) fn load(dir: &DataDir) -> Result<Option<Self>, companion_store::Error> {
        let bytes = match read_private(&Self::path(dir)) {
            Ok(bytes) => bytes,
            Err(companion_store::Error::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_ascii();
        let whole = text.len() == LENGTH && URL_SAFE_NO_PAD.decode(text).is_ok();
        Ok(whole.then(|| Self(text.into())))
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, offered: &[u8]) -> bool {
        self.expose().as_bytes().ct_eq(offered).into()
    }

    /// What only a listener with this token can answer to `nonce`. It names the listener's own address, so nobody on
    /// another port can pass the question on and use the answer.
    pub(crate) fn proof(&self, authority: &str, nonce: &str) -> String {
        let proof = self.keyed(authority, nonce).finalize().into_bytes();
        proof.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Is this the proof? Compares in constant time.
    pub(crate) fn proves(&self, authority: &str, nonce: &str, proof: &str) -> bool {
        let expected = self.proof(authority, nonce);
        expected.as_bytes().ct_eq(proof.as_bytes()).into()
    }

    /// The one header that carries it.
    pub(crate) fn bearer(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.expose()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    fn keyed(&self, authority: &str, nonce: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        for part in [PURPOSE, authority, nonce] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

impl std::fmt::Debug for ControlToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ControlToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        assert!(ControlToken::load(&dir).unwrap().is_none());
        let made = ControlToken::load_or_make(&dir).unwrap();
        assert_eq!(made.expose().len(), LENGTH);
        let kept = ControlToken::load_or_make(&dir).unwrap();
        assert!(kept.matches(made.expose().as_bytes()));
        assert_eq!(format!("{kept:?}"), "ControlToken(redacted)");
    }

    #[test]
    fn a_cut_off_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        write_private(&ControlToken::path(&dir), b"short").unwrap();
        let token = ControlToken::load_or_make(&dir).unwrap();
        assert!(!token.matches(b"short"));
        assert!(ControlToken::load(&dir).unwrap().is_some());
    }

    #[test]
    fn a_proof_is_good_for_its_address_and_nonce_only() {
        let token = ControlToken("a".repeat(LENGTH).into());
        let proof = token.proof("127.0.0.1:8765", "00");
        assert_eq!(proof.len(), 64);
        assert!(token.proves("127.0.0.1:8765", "00", &proof));
        assert!(!token.proves("127.0.0.1:8766", "00", &proof));
        assert!(!token.proves("127.0.0.1:8765", "01", &proof));
        let other = ControlToken("b".repeat(LENGTH).into());
        assert!(!other.proves("127.0.0.1:8765", "00", &proof));
    }
}
