//! `control.json`: where the endpoint listens, for programs of the same user.

use crate::{error::Error, token::ControlToken};
use companion_store::{DataDir, read_private, write_private};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process,
};

const FILE: &str = "control.json";
pub(crate) const MCP_PATH: &str = "/mcp";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ControlFile {
    /// `http://127.0.0.1:PORT/mcp`.
    pub(crate) url: String,
    /// The companion's process id.
    pub(crate) pid: u32,
    /// Where the token is kept.
    pub(crate) token_file: PathBuf,
}

impl ControlFile {
    pub(crate) fn new(port: u16, dir: &DataDir) -> Self {
        Self {
            url: format!("http://{}{MCP_PATH}", authority(port)),
            pid: process::id(),
            token_file: ControlToken::path(dir),
        }
    }

    pub(crate) fn path(dir: &DataDir) -> PathBuf {
        dir.path().join(FILE)
    }

    pub(crate) fn write(&self, dir: &DataDir) -> Result<(), Error> {
        // both are plain strings and numbers, apart from a path that is no Unicode
        let json = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::Store(companion_store::Error::Io {
                action: "write",
                path: Self::path(dir),
                source: error.into(),
            })
        })?;
        Ok(write_private(&Self::path(dir), &json)?)
    }

    /// `None` if there is none, or it makes no sense.
    pub(crate) fn read(dir: &DataDir) -> Result<Option<Self>, companion_store::Error> {
        match read_private(&Self::path(dir)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(companion_store::Error::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn remove(dir: &DataDir) -> io::Result<()> {
        fs::remove_file(Self::path(dir))
    }

    /// The address in `url`, if it is one that we write.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let rest = self.url.strip_prefix("http://")?;
        let address: SocketAddr = rest.strip_suffix(MCP_PATH)?.parse().ok()?;
        (address.ip() == Ipv4Addr::LOCALHOST).then_some(address)
    }
}

/// How the listener at `port` is called in `Host` and in proofs.
pub(crate) fn authority(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        assert_eq!(ControlFile::read(&dir).unwrap(), None);
        let file = ControlFile::new(8765, &dir);
        file.write(&dir).unwrap();
        assert_eq!(ControlFile::read(&dir).unwrap(), Some(file.clone()));
        assert_eq!(file.url, "http://127.0.0.1:8765/mcp");
        assert_eq!(file.address(), Some("127.0.0.1:8765".parse().unwrap()));
        ControlFile::remove(&dir).unwrap();
        assert_eq!(ControlFile::read(&dir).unwrap(), None);
    }

    #[test]
    fn only_an_address_of_this_computer_is_used() {
        for url in [
            "http://192.168.1.5:8765/mcp",
            "https://127.0.0.1:8765/mcp",
            "http://127.0.0.1:8765/other",
            "http://user@127.0.0.1:8765/mcp",
            "http://localhost:8765/mcp",
            "",
        ] {
            let file = ControlFile {
                url: url.to_owned(),
                pid: 1,
                token_file: PathBuf::new(),
            };
            assert_eq!(file.address(), None, "{url}");
        }
    }
}
