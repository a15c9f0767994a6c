use super::programs::{Programs, cache_directory};
use std::{fs, path::PathBuf};
use tokio::sync::Mutex;

/// One installation at a time in this process.
static INSTALLING: Mutex<()> = Mutex::const_new(());

/// Pinned npm packages such as `name@1.2.3`, installed once per machine; gives their `node_modules`.
///
/// `folder` names the set in [`cache_directory`]; another list of packages there installs them anew.
pub async fn npm_packages(folder: &str, packages: &[&str]) -> PathBuf {
    let _one = INSTALLING.lock().await;
    let into = cache_directory().join(folder);
    // written last, so it says that all of it is there
    let marker = into.join("installed");
    let wanted = packages.join("\n");
    if !fs::read_to_string(&marker).is_ok_and(|have| have == wanted) {
        fs::create_dir_all(&into).expect("a folder in the cache");
        let programs = Programs::ready().await;
        let done = programs
            .npm()
            .args([
                "install",
                "--no-fund",
                "--no-audit",
                "--loglevel=error",
                "--prefix",
            ])
            .arg(&into)
            .args(packages)
            .status()
            .await
            .expect("npm is not installed");
        assert!(done.success(), "npm could not install {packages:?}: {done}");
        fs::write(&marker, wanted).expect("a marker in the cache");
    }
    into.join("node_modules")
}
