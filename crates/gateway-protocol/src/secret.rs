//! Secrets as types of their own: they cannot be printed, serialised or compared by accident.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes the secret's text as it stands.
            pub fn new(text: impl Into<String>) -> Self {
                Self(SecretString::from(text.into()))
            }

            /// The secret's text. Only wire encoding and the secret store may call this.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// Compares in constant time.
            pub fn matches(&self, other: &Self) -> bool {
                self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::new)
            }
        }
    };
}

secret! {
    /// The short-lived token in a setup code: one device, each role once, ten minutes.
    BootstrapToken
}
secret! {
    /// The gateway's own secret (token or password), typed by a trusted operator.
    SharedToken
}
secret! {
    /// The lasting credential of one device in one role.
    DeviceToken
}

impl BootstrapToken {
    /// A short fingerprint (16 hex digits of SHA-256) to recognise a code that was used before without keeping it:
    /// the token is 256 random bits, so nothing about it can be guessed from this.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(self.expose())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_text() {
        assert_eq!(
            format!("{:?}", DeviceToken::new("CANARY")),
            "DeviceToken(redacted)"
        );
    }

    #[test]
    fn equal_texts_match_and_others_do_not() {
        assert!(SharedToken::new("abc").matches(&SharedToken::new("abc")));
        assert!(!SharedToken::new("abc").matches(&SharedToken::new("abd")));
        assert!(!SharedToken::new("abc").matches(&SharedToken::new("abcd")));
    }
}
