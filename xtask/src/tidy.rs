//! What no compiler checks. Each check answers with what it found, so that one run shows everything.

mod documents;
mod layers;
mod rust;
mod source;
mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

const SKIPPED: [&str; 6] = [".git", "dist", "gen", "node_modules", "out", "target"];

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    /// From 1; without, the whole file.
    line: Option<usize>,
    what: String,
}

pub(crate) fn main() -> Result<()> {
    let mut findings = Vec::new();
    let mut files = 0;
    let machine = text::Machine::read()?;
    for path in files_below(Path::new("."))? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let name = shown(&path);
        files += 1;
        findings.extend(text::check(&name, &text, &machine));
        if name.ends_with(".rs") {
            findings.extend(rust::check(&name, &text));
        }
    }
    findings.extend(layers::check(&shell::metadata()?)?);
    findings.extend(documents::check());
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings in {files} files", findings.len());
    }
    println!("tidy: {files} files are in order");
    Ok(())
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            files.extend(files_below(&entry.path())?);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

impl Finding {
    fn at(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: Some(line),
            what: what.into(),
        }
    }

    fn in_file(file: &str, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file, self.what),
            None => write!(formatter, "{}: {}", self.file, self.what),
        }
    }
}
