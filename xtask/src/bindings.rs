//! The TypeScript types that the UI shares with the core.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell;

const CHECKED_IN: &str = "ui/src/bindings";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Change nothing; fail if the checked-in types are stale
    #[arg(long)]
    check: bool,
}

pub(crate) fn main(options: &Options) -> Result<()> {
    if options.check {
        compare(&export()?)
    } else {
        write()
    }
}

/// Fails when the checked-in types differ from those exported into this folder.
pub(crate) fn compare(exported: &Path) -> Result<()> {
    let current = read(exported)?;
    if current.is_empty() {
        bail!("no type was exported");
    }
    let stale = differences(&current, &read(Path::new(CHECKED_IN))?);
    if !stale.is_empty() {
        bail!(
            "{CHECKED_IN} is stale, run `cargo xtask bindings` and commit it: {}",
            stale.join(", ")
        );
    }
    Ok(())
}

/// An empty folder, for `TS_RS_EXPORT_DIR`.
pub(crate) fn export_folder() -> Result<PathBuf> {
    let folder = shell::target_directory()?.join("xtask").join("bindings");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn write() -> Result<()> {
    let current = read(&export()?)?;
    let target = Path::new(CHECKED_IN);
    for outdated in read(target)?
        .keys()
        .filter(|path| !current.contains_key(*path))
    {
        fs::remove_file(target.join(outdated))
            .with_context(|| format!("cannot remove {}", outdated.display()))?;
    }
    for (path, text) in &current {
        let path = target.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{CHECKED_IN}: {} files", current.len());
    Ok(())
}

fn export() -> Result<PathBuf> {
    println!("Exporting the TypeScript types");
    let folder = export_folder()?;
    let mut cargo = shell::cargo();
    cargo.args([
        "test",
        "--quiet",
        "--lib",
        "--package",
        "companion-core",
        "--package",
        "window-link",
    ]);
    shell::output(
        cargo
            .arg("export_bindings")
            .env("TS_RS_EXPORT_DIR", &folder),
    )?;
    Ok(folder)
}

fn read(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        if !current.is_dir() {
            continue;
        }
        for entry in
            fs::read_dir(&current).with_context(|| format!("cannot list {}", current.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                files.insert(path.strip_prefix(folder)?.to_path_buf(), text);
            }
        }
    }
    Ok(files)
}

fn differences(
    current: &BTreeMap<PathBuf, String>,
    checked_in: &BTreeMap<PathBuf, String>,
) -> Vec<String> {
    let mut stale = Vec::new();
    for (path, text) in current {
        match checked_in.get(path) {
            None => stale.push(format!("{} is missing", path.display())),
            Some(other) if lines(other) != lines(text) => {
                stale.push(format!("{} differs", path.display()))
            }
            Some(_) => {}
        }
    }
    let gone = checked_in
        .keys()
        .filter(|path| !current.contains_key(*path));
    stale.extend(gone.map(|path| format!("{} is no longer exported", path.display())));
    stale
}

/// Git may have given the checked-in files other line ends.
fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> BTreeMap<PathBuf, String> {
        files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), String::from(*text)))
            .collect()
    }

    #[test]
    fn missing_changed_and_surplus_types_are_stale() {
        let current = files(&[("A.ts", "a"), ("B.ts", "b"), ("C.ts", "c\n")]);
        let checked_in = files(&[("B.ts", "old"), ("C.ts", "c\r\n"), ("D.ts", "d")]);
        assert_eq!(
            differences(&current, &checked_in),
            [
                "A.ts is missing",
                "B.ts differs",
                "D.ts is no longer exported"
            ]
        );
    }

    #[test]
    fn equal_types_are_current() {
        let current = files(&[("A.ts", "a")]);
        assert!(differences(&current, &current).is_empty());
    }
}
