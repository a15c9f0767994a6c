//! The web UI, which the window program embeds.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::{node, shell};

const SOURCES: [&str; 8] = [
    "ui/index.html",
    "ui/package-lock.json",
    "ui/package.json",
    "ui/public",
    "ui/src",
    "ui/svelte.config.js",
    "ui/tsconfig.json",
    "ui/vite.config.ts",
];

/// Installs the UI's packages where the lock file is newer than they are.
pub(crate) fn install() -> Result<()> {
    node::install()?;
    let installed = changed_at(Path::new("ui/node_modules/.package-lock.json"));
    if installed.is_none() || changed_at(Path::new("ui/package-lock.json")) > installed {
        shell::run(node::npm_for_ui()?.args(["ci", "--no-audit", "--no-fund"]))?;
    }
    Ok(())
}

/// Builds `ui/dist` where a source is newer.
pub(crate) fn build() -> Result<()> {
    install()?;
    let mut newest = None;
    for source in SOURCES {
        newest = newest.max(newest_below(Path::new(source))?);
    }
    if newest > built_at() {
        shell::run(node::npm_for_ui()?.args(["run", "build"]))?;
    }
    Ok(())
}

/// Checks the UI's types.
pub(crate) fn check() -> Result<()> {
    shell::run(node::npm_for_ui()?.args(["run", "check"]))
}

/// When the UI was built, if it was: build.rs writes an index alone to let the window compile without it.
fn built_at() -> Option<SystemTime> {
    Path::new("ui/dist/assets")
        .is_dir()
        .then(|| changed_at(Path::new("ui/dist/index.html")))
        .flatten()
}

fn newest_below(path: &Path) -> Result<Option<SystemTime>> {
    let mut newest = changed_at(path);
    if path.is_dir() {
        for entry in
            fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?
        {
            newest = newest.max(newest_below(&entry?.path())?);
        }
    }
    Ok(newest)
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}
