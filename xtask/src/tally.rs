//! Counting test results as they are printed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::shell;

/// What passed and failed so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// Steps that failed, in order.
    pub(crate) troubles: Vec<String>,
}

impl Tally {
    /// Runs one step, under a heading. A step that breaks without a failed test counts as one failure.
    pub(crate) fn add(&mut self, what: &str, step: impl FnOnce() -> Result<Self>) {
        println!("\n== {what}");
        match step() {
            Ok(tally) => {
                if tally.failed > 0 && tally.troubles.is_empty() {
                    self.troubles.push(what.to_owned());
                }
                self.merge(tally);
            }
            Err(error) => {
                println!("{error:#}");
                self.failed += 1;
                self.troubles.push(what.to_owned());
            }
        }
    }

    /// Runs one step that prints no test results.
    pub(crate) fn check(&mut self, what: &str, step: impl FnOnce() -> Result<()>) {
        self.add(what, || step().map(|()| Self::default()));
    }

    fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.troubles.extend(other.troubles);
    }
}

/// Runs `cargo test`, showing and counting its results.
pub(crate) fn cargo(command: &mut Command) -> Result<Tally> {
    count(command, cargo_counts)
}

/// Runs vitest, showing and counting its results.
pub(crate) fn vitest(command: &mut Command) -> Result<Tally> {
    count(command, vitest_counts)
}

fn count(command: &mut Command, counts: fn(&str) -> Option<Tally>) -> Result<Tally> {
    println!("$ {}", shell::Shown(command));
    let mut child = command
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(counts) = counts(&line) {
            tally.merge(counts);
        }
    }
    if !child.wait()?.success() {
        // A program that did not compile, or a harness that crashed, has no failed test to show.
        tally.failed = tally.failed.max(1);
    }
    Ok(tally)
}

/// `test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn cargo_counts(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |name: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(name)?.trim().parse().ok())
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        ignored: count("ignored").unwrap_or_default(),
        troubles: Vec::new(),
    })
}

/// `      Tests  1 failed | 11 passed | 2 skipped (14)`
fn vitest_counts(line: &str) -> Option<Tally> {
    let (counts, _) = line
        .trim_start()
        .strip_prefix("Tests  ")?
        .split_once(" (")?;
    let count = |name: &str| {
        counts
            .split(" | ")
            .find_map(|part| part.trim().strip_suffix(name)?.trim().parse().ok())
            .unwrap_or_default()
    };
    Some(Tally {
        passed: count("passed"),
        failed: count("failed"),
        ignored: count("skipped"),
        troubles: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_are_counted() {
        let line = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let tally = cargo_counts(line).unwrap();
        assert_eq!((tally.passed, tally.failed, tally.ignored), (3, 1, 2));
        assert_eq!(cargo_counts("test keeps_the_token ... ok"), None);
    }

    #[test]
    fn results_of_vitest_are_counted() {
        let tally = vitest_counts("      Tests  1 failed | 11 passed | 2 skipped (14)").unwrap();
        assert_eq!((tally.passed, tally.failed, tally.ignored), (11, 1, 2));
        let tally = vitest_counts("      Tests  12 passed (12)").unwrap();
        assert_eq!((tally.passed, tally.failed), (12, 0));
        assert_eq!(vitest_counts(" Test Files  2 passed (2)"), None);
    }

    #[test]
    fn a_step_that_breaks_counts_as_one_failure() {
        let mut tally = Tally::default();
        tally.check("tidy", || Err(anyhow::anyhow!("untidy")));
        tally.add("crates", || {
            Ok(Tally {
                passed: 2,
                ..Tally::default()
            })
        });
        assert_eq!((tally.passed, tally.failed), (2, 1));
        assert_eq!(tally.troubles, ["tidy"]);
    }

    #[test]
    fn a_step_with_failed_tests_is_named_once() {
        let mut inner = Tally::default();
        inner.add("gateway", || {
            Ok(Tally {
                failed: 2,
                ..Tally::default()
            })
        });
        let mut tally = Tally::default();
        tally.add("programs", || Ok(inner));
        assert_eq!(tally.failed, 2);
        assert_eq!(tally.troubles, ["gateway"]);
    }
}
