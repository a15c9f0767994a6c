use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use std::{fmt, io};

use crate::installation::NODE_MAJOR;

/// Why a gateway could not be installed, started or used. `Display` says what happened, then what to do; lines of
/// output in it have had everything that looks like a token removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `npm` is not on the search path.
    #[error("npm was not found. Install Node.js, which brings npm, then try again.")]
    NpmMissing,
    /// `npm` is there but could not be run.
    #[error("npm could not be started. Check your Node.js installation.")]
    NpmNotStarted(#[source] io::Error),
    /// `npm` gave up.
    #[error(
        "{step} could not be installed ({exit}). Check the network connection, then try again.\n{last_lines}"
    )]
    InstallFailed {
        /// What was being installed.
        step: InstallStep,
        /// How `npm` ended.
        exit: ExitStatus,
        /// The end of what `npm` wrote.
        last_lines: String,
    },
    /// `npm` said that it was done, but a file is not there.
    #[error("The installation is incomplete: {} is missing. Try again.", missing.display())]
    InstallIncomplete {
        /// The file.
        missing: PathBuf,
    },
    /// The folder for downloads cannot be written.
    #[error("The folder {} cannot be used. Check that it can be written and that the disk has room.", path.display())]
    CacheUnusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The instance's own folder cannot be used.
    #[error("The private gateway's folder {} cannot be used. Check that it can be written and that the disk has room.", path.display())]
    HomeUnusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The instance's configuration cannot be read, names no port, or the gateway refuses it.
    #[error("The private gateway's settings in {} cannot be used. Correct the file, or move it away to start afresh.", path.display())]
    ConfigUnusable {
        /// The configuration file.
        path: PathBuf,
    },
    /// The system's random generator failed, so no token can be made.
    #[error("The system's random generator failed. Restart the computer, then try again.")]
    NoRandomness(#[source] getrandom::Error),
    /// No loopback port was free for a new instance.
    #[error("No free port was found for the private gateway. Close some programs, then try again.")]
    NoFreePort,
    /// Another program listens on the port that this instance is paired under.
    #[error(
        "Port {port}, which the private gateway needs, is used by another program. Close that program, then try again."
    )]
    PortInUse {
        /// The loopback port.
        port: u16,
    },
    /// Another companion runs this instance.
    #[error("The private gateway in {} is already run by another companion. Quit that one first.", home.display())]
    AlreadyRunning {
        /// The instance's folder.
        home: PathBuf,
    },
    /// A gateway left over from a companion that was killed does not end.
    #[error(
        "A private gateway from before is still running (process {pid}). End it, then try again."
    )]
    LeftoverStillRuns {
        /// Its process id.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// Node could not be started.
    #[error("The private gateway could not be started. Try again.")]
    NotStarted(#[source] io::Error),
    /// The process ended before it was ready.
    #[error("The private gateway stopped while it was starting ({status}).\n{log_tail}")]
    ExitedEarly {
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        log_tail: String,
    },
    /// It ran, but did not become ready.
    #[error("The private gateway was not ready after {} seconds. Try again.\n{log_tail}", limit.as_secs())]
    NotReadyInTime {
        /// How long was allowed.
        limit: Duration,
        /// The end of its output.
        log_tail: String,
    },
    /// The gateway gave no setup code.
    #[error("The private gateway gave no setup code ({exit}). Try again.\n{last_lines}")]
    MintFailed {
        /// How the command ended.
        exit: ExitStatus,
        /// The end of its error output.
        last_lines: String,
    },
    /// The setup code did not come.
    #[error("The private gateway gave no setup code within {} seconds. Try again.", limit.as_secs())]
    MintTimedOut {
        /// How long was allowed.
        limit: Duration,
    },
}

/// One part of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallStep {
    /// The Node that the gateway runs on.
    Node,
    /// The gateway itself.
    Gateway,
}

impl fmt::Display for InstallStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallStep::Node => write!(f, "Node {NODE_MAJOR}"),
            InstallStep::Gateway => f.write_str("The gateway"),
        }
    }
}
