//! Rules for Rust files.

use super::Finding;
use super::source::{code, has_word, in_parentheses, line};

const LONGEST: usize = 700;
const PLATFORMS: [&str; 4] = ["target_family", "target_os", "unix", "windows"];
/// Secrets are shown in wire encoding, in the stores and where the person asked for one, nowhere else.
const EXPOSING: [&str; 11] = [
    "crates/companion/src/cli/typed.rs",
    "crates/companion-core/src/command.rs",
    "crates/companion-runtime/src/local_gateway.rs",
    "crates/companion-store/src/secrets.rs",
    "crates/companion-store/src/vault/file.rs",
    "crates/companion-store/src/vault/keyring.rs",
    "crates/control-endpoint/src/token.rs",
    "crates/gateway-protocol/src/connect.rs",
    "crates/gateway-protocol/src/identity.rs",
    "crates/gateway-protocol/src/secret.rs",
    "crates/gateway-protocol/src/setup_code.rs",
];
const EXPOSURES: [&str; 2] = [".expose(", ".expose_secret("];
const UNFINISHED: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];

pub(super) fn check(file: &str, source: &str) -> Vec<Finding> {
    let code = code(source);
    let mut findings = Vec::new();
    let lines = source.lines().count();
    if lines > LONGEST {
        findings.push(Finding::in_file(
            file,
            format!("{lines} lines, over {LONGEST}: a concept in it wants its own file"),
        ));
    }
    platform_code(file, &code, &mut findings);
    unfinished(file, &code, &mut findings);
    exposed_secrets(file, &code, &mut findings);
    ignored_tests(file, &code, &mut findings);
    findings
}

fn platform_code(file: &str, code: &str, findings: &mut Vec<Finding>) {
    if file
        .split('/')
        .any(|part| part == "platform" || part == "platform.rs")
    {
        return;
    }
    for word in ["cfg", "cfg!", "cfg_attr"] {
        for (offset, _) in code.match_indices(word) {
            let Some(condition) = code.get(offset + word.len()..).and_then(in_parentheses) else {
                continue;
            };
            let starts_a_word =
                !code[..offset].ends_with(|last: char| last.is_alphanumeric() || last == '_');
            let chooses_a_file = word == "cfg_attr" && has_word(condition, "path");
            let names_a_system = PLATFORMS
                .iter()
                .any(|platform| has_word(condition, platform));
            if starts_a_word && names_a_system && !chooses_a_file {
                findings.push(Finding::at(
                    file,
                    line(code, offset),
                    "code for one system belongs into a `platform` module",
                ));
            }
        }
    }
}

fn unfinished(file: &str, code: &str, findings: &mut Vec<Finding>) {
    for macro_name in UNFINISHED {
        for (offset, _) in code.match_indices(macro_name) {
            if !code[..offset].ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                findings.push(Finding::at(
                    file,
                    line(code, offset),
                    format!("{macro_name} is not finished work"),
                ));
            }
        }
    }
}

fn exposed_secrets(file: &str, code: &str, findings: &mut Vec<Finding>) {
    if EXPOSING.contains(&file) || file.split('/').any(|part| part == "tests") {
        return;
    }
    for exposure in EXPOSURES {
        for (offset, _) in without_tests(code).match_indices(exposure) {
            findings.push(Finding::at(
                file,
                line(code, offset),
                "shows a secret: only the files listed in xtask/src/tidy/rust.rs may",
            ));
        }
    }
}

/// A test that is left out says why.
fn ignored_tests(file: &str, code: &str, findings: &mut Vec<Finding>) {
    for (offset, _) in code.match_indices("#[ignore") {
        if code
            .get(offset + "#[ignore".len()..)
            .is_some_and(|rest| rest.trim_start().starts_with(']'))
        {
            findings.push(Finding::at(
                file,
                line(code, offset),
                "an ignored test says why: #[ignore = \"...\"]",
            ));
        }
    }
}

/// Tests stand at the bottom of a file.
fn without_tests(code: &str) -> &str {
    let tests = code.find("#[cfg(test)]\nmod tests {");
    tests.and_then(|offset| code.get(..offset)).unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, source: &str) -> Vec<usize> {
        check(file, source)
            .into_iter()
            .map(|finding| finding.line.unwrap_or_default())
            .collect()
    }

    #[test]
    fn platform_code_outside_platform_modules_is_found() {
        assert_eq!(
            found("crates/a/src/lib.rs", "fn a() {}\n#[cfg(unix)]\nfn b() {}"),
            [2]
        );
        assert_eq!(
            found("crates/a/src/lib.rs", "if cfg!(target_os = \"linux\") {}"),
            [1]
        );
        assert_eq!(
            found(
                "crates/a/src/lib.rs",
                "#[cfg(all(\n  test,\n  not(windows),\n))]"
            ),
            [1]
        );
        assert_eq!(
            found(
                "crates/a/src/lib.rs",
                "#[cfg_attr(windows, allow(dead_code))]"
            ),
            [1]
        );
    }

    #[test]
    fn platform_modules_and_the_choice_of_one_are_in_order() {
        assert!(found("crates/a/src/platform/linux.rs", "#[cfg(unix)]").is_empty());
        assert!(
            found(
                "crates/a/src/lib.rs",
                "#[cfg_attr(unix, path = \"platform/unix.rs\")]\nmod platform;"
            )
            .is_empty()
        );
        assert!(
            found(
                "src-tauri/main.rs",
                "#![cfg_attr(not(debug_assertions), windows_subsystem = \"windows\")]"
            )
            .is_empty()
        );
        assert!(
            found(
                "crates/a/src/lib.rs",
                "#[cfg(test)] // not on unix\nmod tests {}"
            )
            .is_empty()
        );
    }

    #[test]
    fn unfinished_work_is_found_in_code_only() {
        assert_eq!(found("a.rs", "fn a() {\n    todo!()\n}"), [2]);
        assert_eq!(
            found("a.rs", "fn a() { dbg!(1); unimplemented!() }"),
            [1, 1]
        );
        assert!(found("a.rs", "// todo!()\nlet a = \"todo!()\"; my_todo!();").is_empty());
    }

    #[test]
    fn a_shown_secret_is_found_outside_tests() {
        let shows =
            "fn a(s: &S) -> &str { s.expose_secret() }\nfn b(s: &S) -> &str { s.expose() }\n";
        assert_eq!(found("crates/companion/src/main.rs", shows), [2, 1]);
        assert!(found("crates/companion/tests/run.rs", shows).is_empty());
        let in_tests = format!("fn c() {{}}\n#[cfg(test)]\nmod tests {{\n{shows}}}\n");
        assert!(found("crates/companion/src/main.rs", &in_tests).is_empty());
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(found("a.rs", "#[test]\n#[ignore]\nfn a() {}"), [2]);
        assert!(
            found(
                "a.rs",
                "#[test]\n#[ignore = \"takes ten minutes\"]\nfn a() {}"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_file_may_have_seven_hundred_lines() {
        assert!(check("a.rs", &"\n".repeat(700)).is_empty());
        assert_eq!(check("a.rs", &"\n".repeat(701)).len(), 1);
    }
}
