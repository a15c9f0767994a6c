//! What the documents promise about the code.

use std::collections::BTreeSet;
use std::fs;

use super::Finding;

const PROBLEMS: &str = "crates/companion-core/src/problem.rs";
const TROUBLESHOOTING: &str = "docs/troubleshooting.md";

pub(super) fn check() -> Vec<Finding> {
    match (
        fs::read_to_string(PROBLEMS),
        fs::read_to_string(TROUBLESHOOTING),
    ) {
        (Ok(problems), Ok(troubleshooting)) => unexplained(&problems, &troubleshooting),
        (Err(error), _) => vec![Finding::in_file(
            PROBLEMS,
            format!("every problem is made there, and it cannot be read: {error}"),
        )],
        (_, Err(error)) => {
            vec![Finding::in_file(
                TROUBLESHOOTING,
                format!("it explains every problem, and cannot be read: {error}"),
            )]
        }
    }
}

fn unexplained(problems: &str, troubleshooting: &str) -> Vec<Finding> {
    let codes = codes(problems);
    if codes.is_empty() {
        return vec![Finding::in_file(PROBLEMS, "no problem code was found")];
    }
    let headings: Vec<&str> = troubleshooting
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let explained = |code: &str| {
        headings
            .iter()
            .any(|heading| words(heading).any(|word| word == code))
    };
    let missing = codes.iter().filter(|code| !explained(code));
    missing
        .map(|code| {
            Finding::in_file(
                TROUBLESHOOTING,
                format!("no heading for the problem {code}"),
            )
        })
        .collect()
}

/// The codes: `Name = "code",` in the list of all problems.
fn codes(problems: &str) -> BTreeSet<&str> {
    problems.lines().filter_map(code).collect()
}

fn code(line: &str) -> Option<&str> {
    let (name, code) = line.trim().trim_end_matches(',').split_once(" = \"")?;
    let code = code.strip_suffix('"')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric());
    let is_code = code
        .chars()
        .all(|character| character.is_ascii_lowercase() || character == '_');
    (is_name && is_code).then_some(code)
}

fn words(heading: &str) -> impl Iterator<Item = &str> {
    heading.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBLEM: &str = r#"
        #[serde(rename_all = "snake_case")]
        codes! {
            /// Such as "not_a_code".
            SetupCodeExpired = "setup_code_expired",
        }
        Self::SetupCodeExpired => "This code has expired.",
    "#;

    #[test]
    fn a_problem_without_a_heading_is_found() {
        let findings = unexplained(PROBLEM, "# Troubleshooting\n\nsetup_code_expired\n");
        assert_eq!(
            findings,
            [Finding::in_file(
                TROUBLESHOOTING,
                "no heading for the problem setup_code_expired"
            )]
        );
    }

    #[test]
    fn a_heading_explains_a_problem() {
        assert!(unexplained(PROBLEM, "## `setup_code_expired`: the code is too old\n").is_empty());
    }

    #[test]
    fn problems_that_cannot_be_found_do_not_pass() {
        assert_eq!(unexplained("enum Problem {}", "").len(), 1);
    }
}
