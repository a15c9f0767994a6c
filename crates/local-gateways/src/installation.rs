use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::info;

use crate::error::{Error, InstallStep};
use crate::npm::Npm;
use crate::platform;
use crate::progress::Progress;

/// The gateway version that this companion is made for.
pub const OPENCLAW_VERSION: &str = "2026.9.6";
/// The major version of the Node that it runs on.
pub const NODE_MAJOR: &str = "24";

/// A complete gateway with its Node, shared by all instances of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    node: PathBuf,
    entry: PathBuf,
}

impl Installation {
    /// The installation below `cache`, the companion's cache folder of this machine; `None` unless it is complete.
    pub fn find(cache: &Path) -> Option<Installation> {
        let folder = folder(cache);
        let marked =
            std::fs::read_to_string(folder.join(MARKER)).is_ok_and(|text| text == marker());
        let installation = Installation::at(&folder);
        (marked && installation.missing().is_none()).then_some(installation)
    }

    /// Answers the installation below `cache`, after downloading about 800 MB with `npm` where it is not there yet.
    ///
    /// It appears whole or not at all. When another companion is installing it, this waits for that one. Dropping the
    /// future ends the download.
    ///
    /// # Errors
    /// [`Error::NpmMissing`], [`Error::NpmNotStarted`], [`Error::InstallFailed`], [`Error::InstallIncomplete`] and
    /// [`Error::CacheUnusable`].
    pub async fn install(
        cache: &Path,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Installation, Error> {
        if let Some(found) = Installation::find(cache) {
            return Ok(found);
        }
        let parent = cache.join(FOLDER);
        let parent = std::path::absolute(&parent).map_err(unusable(&parent))?;
        std::fs::create_dir_all(&parent).map_err(unusable(&parent))?;
        let _lock = lock(&parent.join("install.lock"), &progress).await?;
        if let Some(found) = Installation::find(cache) {
            return Ok(found);
        }
        remove_leftovers(&parent).map_err(unusable(&parent))?;
        let staging = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&parent)
            .map_err(unusable(&parent))?;
        download(staging.path(), &progress).await?;

        let folder = folder(cache);
        std::fs::rename(staging.keep(), &folder).map_err(unusable(&folder))?;
        info!(version = OPENCLAW_VERSION, "gateway installed");
        Ok(Installation::at(&folder))
    }

    /// The Node program.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// The script that is the gateway's command line, for [`node`](Installation::node) to run.
    pub fn entry(&self) -> &Path {
        &self.entry
    }

    fn at(folder: &Path) -> Installation {
        Installation {
            node: folder
                .join("node/node_modules/node/bin")
                .join(platform::NODE),
            entry: folder.join("gateway/node_modules/openclaw/openclaw.mjs"),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_files(node: PathBuf, entry: PathBuf) -> Installation {
        Installation { node, entry }
    }

    fn missing(&self) -> Option<&Path> {
        [self.node(), self.entry()]
            .into_iter()
            .find(|file| !file.is_file())
    }
}

async fn download(staging: &Path, progress: &(impl Fn(Progress) + Sync)) -> Result<(), Error> {
    let npm = Npm::find()?;
    let installation = Installation::at(staging);

    progress(Progress::DownloadingNode);
    let package = format!("node@{NODE_MAJOR}");
    npm.install(InstallStep::Node, &package, &staging.join("node"), None)
        .await?;

    let package = format!("openclaw@{OPENCLAW_VERSION}");
    let into = staging.join("gateway");
    let install = npm.install(
        InstallStep::Gateway,
        &package,
        &into,
        installation.node().parent(),
    );
    tokio::pin!(install);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        tokio::select! {
            done = &mut install => break done?,
            _ = looks.tick() => {
                let megabytes = bytes_below(into.clone()).await / 1_000_000;
                if told.replace(megabytes) != Some(megabytes) {
                    progress(Progress::DownloadingGateway { megabytes });
                }
            }
        }
    }

    if let Some(missing) = installation.missing() {
        return Err(Error::InstallIncomplete {
            missing: missing.to_owned(),
        });
    }
    let path = staging.join(MARKER);
    std::fs::write(&path, marker()).map_err(unusable(&path))
}

async fn lock(path: &Path, progress: &(impl Fn(Progress) + Sync)) -> Result<File, Error> {
    let file = File::create(path).map_err(unusable(path))?;
    let mut told = false;
    // a blocking lock could not be given up when this future is dropped
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(unusable(path)(source)),
        }
        if !told {
            progress(Progress::WaitingForOtherInstall);
            told = true;
        }
        sleep(LOCK_PAUSE).await;
    }
}

/// Removes what an interrupted installation left; call it with the lock held.
fn remove_leftovers(parent: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let leftover = name.to_string_lossy().starts_with(STAGING) || name == OPENCLAW_VERSION;
        if leftover {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

async fn bytes_below(folder: PathBuf) -> u64 {
    fn count(folder: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return 0;
        };
        entries
            .flatten()
            .map(|entry| match entry.file_type() {
                Ok(kind) if kind.is_dir() => count(&entry.path()),
                Ok(_) => entry.metadata().map_or(0, |file| file.len()),
                Err(_) => 0,
            })
            .sum()
    }
    tokio::task::spawn_blocking(move || count(&folder))
        .await
        .unwrap_or(0)
}

fn folder(cache: &Path) -> PathBuf {
    let folder = cache.join(FOLDER).join(OPENCLAW_VERSION);
    std::path::absolute(&folder).unwrap_or(folder)
}

fn marker() -> String {
    format!("openclaw {OPENCLAW_VERSION}\nnode {NODE_MAJOR}\n")
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::CacheUnusable { path, source }
}

const FOLDER: &str = "openclaw";
const MARKER: &str = "complete";
const STAGING: &str = ".installing-";
const LOOK: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn only_a_complete_installation_is_found() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(Installation::find(cache.path()), None);
        let installation = pretend(cache.path());
        assert_eq!(Installation::find(cache.path()), Some(installation.clone()));

        std::fs::remove_file(installation.entry()).unwrap();
        assert_eq!(Installation::find(cache.path()), None);

        pretend(cache.path());
        let marker = folder(cache.path()).join(MARKER);
        std::fs::write(&marker, "openclaw 2026.9.6\nnode 22\n").unwrap();
        assert_eq!(Installation::find(cache.path()), None);
        std::fs::remove_file(&marker).unwrap();
        assert_eq!(Installation::find(cache.path()), None);
    }

    #[tokio::test]
    async fn what_is_complete_is_not_downloaded_again() {
        let cache = tempfile::tempdir().unwrap();
        let installation = pretend(cache.path());
        let found = Installation::install(cache.path(), |step| panic!("{step}")).await;
        assert_eq!(found.unwrap(), installation);
    }

    #[tokio::test]
    async fn the_second_companion_waits_for_the_first() {
        let cache = tempfile::tempdir().unwrap();
        let parent = cache.path().join(FOLDER);
        std::fs::create_dir_all(&parent).unwrap();
        let first = lock(&parent.join("install.lock"), &|step| panic!("{step}"))
            .await
            .unwrap();
        let first = Mutex::new(Some(first));
        let finish = |step| {
            assert_eq!(step, Progress::WaitingForOtherInstall);
            pretend(cache.path());
            first.lock().unwrap().take().expect("told once");
        };
        let found = Installation::install(cache.path(), finish).await.unwrap();
        assert_eq!(Some(found), Installation::find(cache.path()));
    }

    #[test]
    fn removes_what_an_interrupted_installation_left() {
        let parent = tempfile::tempdir().unwrap();
        for folder in [".installing-abc/node", OPENCLAW_VERSION, "2026.1.1"] {
            std::fs::create_dir_all(parent.path().join(folder)).unwrap();
        }
        std::fs::write(parent.path().join("install.lock"), "").unwrap();
        remove_leftovers(parent.path()).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["2026.1.1", "install.lock"]);
    }

    #[tokio::test]
    async fn counts_what_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("c"), [0; 5]).unwrap();
        assert_eq!(bytes_below(folder.path().to_owned()).await, 15);
        assert_eq!(bytes_below(folder.path().join("none")).await, 0);
    }

    fn pretend(cache: &Path) -> Installation {
        let folder = folder(cache);
        let installation = Installation::at(&folder);
        for file in [installation.node(), installation.entry()] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        std::fs::write(folder.join(MARKER), marker()).unwrap();
        installation
    }
}
