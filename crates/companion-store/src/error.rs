use crate::vault::{SecretKind, VaultError};
use companion_core::VaultTrouble;
use std::{io, path::PathBuf};

/// Why something could not be stored or read. Never holds a secret or a piece of a file's content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system names no folder for application data.
    #[error("no folder for application data is known; name one in CLAW_COMPANION_HOME")]
    NoDataFolder,
    /// The system names no folder for caches.
    #[error("no folder for caches is known; name one in CLAW_COMPANION_CACHE")]
    NoCacheFolder,
    /// Another process holds the data folder.
    #[error("Claw Companion already runs with the data folder {}", .0.display())]
    AlreadyRunning(PathBuf),
    /// A file is not what we write. It was moved aside, never dropped; loading again takes the last good copy.
    #[error("{} cannot be read (line {line}, column {column}); it was kept as {}", .file.display(), .kept_as.display())]
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// Where its content is now.
        kept_as: PathBuf,
        /// Where reading stopped, from 1; 0 when it was not the syntax.
        line: usize,
        /// Where reading stopped, from 1; 0 when it was not the syntax.
        column: usize,
    },
    /// A newer Claw Companion wrote this file. It was left as it is.
    #[error("{} was written by a newer Claw Companion (format {version}); update this one", .file.display())]
    NewerVersion {
        /// The file.
        file: PathBuf,
        /// The version of its format.
        version: u64,
    },
    /// Other users of this computer may read or change it.
    #[error("other users can reach {}; make it private with: chmod go= FILE", .0.display())]
    NotPrivate(PathBuf),
    /// It belongs to another user of this computer.
    #[error("{} belongs to another user", .0.display())]
    WrongOwner(PathBuf),
    /// A symbolic link, folder or device stands where a file belongs.
    #[error("{} is not a plain file", .0.display())]
    NotAFile(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The secret store refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Longer than every secret store can hold.
    #[error("the {0} is too long for the secret store")]
    TooLarge(SecretKind),
    /// The secret store said yes to a write, and then did not give the same back.
    #[error("the secret store did not keep the {0}")]
    NotKept(SecretKind),
    /// The secret store holds something else under this name.
    #[error("what the secret store holds as the {0} cannot be read")]
    UnreadableSecret(SecretKind),
    /// The system's source of random numbers failed.
    #[error("this system gives no secure random numbers")]
    NoRandomness(#[source] getrandom::Error),
}

impl Error {
    /// What the core is told when a secret could not be stored or read.
    pub fn trouble(&self) -> VaultTrouble {
        match self {
            Self::Vault(vault) if vault.is_locked() => VaultTrouble::Locked,
            Self::Vault(vault) if vault.is_unavailable() => VaultTrouble::Unavailable,
            Self::NoDataFolder
            | Self::NoCacheFolder
            | Self::AlreadyRunning(_)
            | Self::Unreadable { .. }
            | Self::NewerVersion { .. }
            | Self::NotPrivate(_)
            | Self::WrongOwner(_)
            | Self::NotAFile(_)
            | Self::Io { .. }
            | Self::Vault(_)
            | Self::TooLarge(_)
            | Self::NotKept(_)
            | Self::UnreadableSecret(_)
            | Self::NoRandomness(_) => VaultTrouble::Failed,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
