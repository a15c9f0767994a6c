//! A setup code or token, as it was typed or piped in.

use super::failure::Failure;
use secrecy::{ExposeSecret, SecretString};
use std::{
    convert::Infallible,
    fmt, fs,
    io::{self, Read},
    path::Path,
};

/// Longer than any code or token.
const LIMIT: u64 = 64 * 1024;

#[derive(Clone)]
pub(super) struct Typed(SecretString);

impl Typed {
    /// Takes it without the white space around it. Any text will do; what it means is seen later.
    pub(super) fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// Takes an argument.
    pub(super) fn parse(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }

    /// Reads it from a stream.
    pub(super) fn read(from: impl Read) -> Result<Self, Failure> {
        let mut text = String::new();
        match from.take(LIMIT).read_to_string(&mut text) {
            Ok(_) => Ok(Self::new(&text)),
            Err(error) => Err(Failure::unreadable_input("Standard input", &error)),
        }
    }

    /// Reads it from a file.
    pub(super) fn read_file(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| {
            let place = path.display().to_string();
            Failure::unreadable_input(&place, &error)
        };
        Self::read(fs::File::open(path).map_err(unreadable)?)
    }

    /// For what goes to the companion.
    pub(super) fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(redacted)")
    }
}
