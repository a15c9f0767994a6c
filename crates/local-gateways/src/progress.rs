use std::fmt;

use crate::installation::NODE_MAJOR;

/// What is being done right now; `Display` is one plain line for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another companion on this machine installs the gateway; we wait for it.
    WaitingForOtherInstall,
    /// The first part of the download.
    DownloadingNode,
    /// The second, larger part.
    DownloadingGateway {
        /// Megabytes (10^6 bytes) of it on disk so far; 0 while npm still works out what to fetch.
        megabytes: u64,
    },
    /// The gateway's process is about to start.
    Starting,
    /// The process runs; it does not answer yet.
    WaitingForReady,
    /// The gateway takes connections.
    Ready,
    /// For whoever calls [`mint_setup_code`](crate::PrivateGateway::mint_setup_code), which takes seconds.
    MintingSetupCode,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::WaitingForOtherInstall => {
                f.write_str("Waiting: another companion is installing the gateway")
            }
            Progress::DownloadingNode => write!(
                f,
                "Downloading Node {NODE_MAJOR}, the first part of about {ABOUT_MEGABYTES} MB (once per computer)"
            ),
            Progress::DownloadingGateway { megabytes: 0 } => write!(
                f,
                "Looking up what the gateway needs (about {ABOUT_MEGABYTES} MB with Node)"
            ),
            Progress::DownloadingGateway { megabytes } => write!(
                f,
                "Downloading the gateway: {megabytes} MB so far (about {ABOUT_MEGABYTES} MB with Node)"
            ),
            Progress::Starting => f.write_str("Starting the private gateway"),
            Progress::WaitingForReady => f.write_str("Waiting for the private gateway to be ready"),
            Progress::Ready => f.write_str("The private gateway is ready"),
            Progress::MintingSetupCode => f.write_str("Getting a setup code from the gateway"),
        }
    }
}

const ABOUT_MEGABYTES: u64 = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_large_the_download_is() {
        assert_eq!(
            Progress::DownloadingNode.to_string(),
            "Downloading Node 24, the first part of about 800 MB (once per computer)"
        );
        assert_eq!(
            Progress::DownloadingGateway { megabytes: 120 }.to_string(),
            "Downloading the gateway: 120 MB so far (about 800 MB with Node)"
        );
    }
}
