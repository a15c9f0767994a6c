use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::command::{CommandError, invalid, read};
use crate::system_notify::Notifier;

pub(crate) fn perform(params: Value, _: &dyn Notifier) -> Result<Value, CommandError> {
    let bins = bins(params)?;
    Ok(locate(&bins, |name| which::which(name).ok()))
}

#[derive(Deserialize)]
struct Params {
    bins: Vec<String>,
}

fn bins(params: Value) -> Result<Vec<String>, CommandError> {
    let Params { bins } = read(params)?;
    if !(1..=BINS_LIMIT).contains(&bins.len()) {
        return Err(invalid(format!("Ask for 1 to {BINS_LIMIT} programs.")));
    }
    if !bins.iter().all(|name| is_plain_name(name)) {
        return Err(invalid(format!(
            "Each program is a plain name of 1 to {NAME_LIMIT} characters, without a folder."
        )));
    }
    Ok(bins)
}

/// A colon counts as a separator because `C:name` leaves the search path on Windows.
fn is_plain_name(name: &str) -> bool {
    (1..=NAME_LIMIT).contains(&name.chars().count()) && !name.contains(['/', '\\', ':', '\0'])
}

fn locate(bins: &[String], find: impl Fn(&str) -> Option<std::path::PathBuf>) -> Value {
    let found: Map<String, Value> = bins
        .iter()
        .filter_map(|name| {
            let path = find(name)?;
            Some((name.clone(), json!(path.to_string_lossy())))
        })
        .collect();
    json!({ "bins": found })
}

const BINS_LIMIT: usize = 64;
const NAME_LIMIT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::code;
    use crate::system_notify::{Notification, NotifyError};
    use std::path::PathBuf;

    #[test]
    fn takes_plain_names() {
        let cases = [
            json!({"bins": ["git"]}),
            json!({"bins": ["git", "git", "no such", "..", "c++", "é"], "new": true}),
            json!({"bins": vec!["x"; 64]}),
            json!({"bins": ["é".repeat(255)]}),
        ];
        for params in cases {
            assert!(bins(params.clone()).is_ok(), "{params}");
        }
    }

    #[test]
    fn refuses_anything_else() {
        let cases = [
            json!({}),
            json!({"bins": null}),
            json!({"bins": "git"}),
            json!({"bins": []}),
            json!({"bins": [7]}),
            json!({"bins": vec!["x"; 65]}),
            json!({"bins": [""]}),
            json!({"bins": ["x".repeat(256)]}),
            json!({"bins": ["git", "/bin/sh"]}),
            json!({"bins": ["../sh"]}),
            json!({"bins": ["a\\b"]}),
            json!({"bins": ["C:sh"]}),
            json!({"bins": ["a\u{0}b"]}),
        ];
        for params in cases {
            let error = bins(params.clone()).unwrap_err();
            assert_eq!(error.code, code::INVALID_REQUEST, "{params}");
        }
    }

    #[test]
    fn leaves_out_what_is_missing() {
        let asked = ["git".to_owned(), "nope".to_owned()];
        let answer = locate(&asked, |name| {
            (name == "git").then(|| PathBuf::from("/usr/bin/git"))
        });
        assert_eq!(answer, json!({"bins": {"git": "/usr/bin/git"}}));
    }

    #[test]
    fn finds_programs_of_this_machine() {
        let shell = match std::env::consts::FAMILY {
            "windows" => "cmd",
            _ => "sh",
        };
        let answer = perform(json!({"bins": [shell, ".."]}), &NoDesktop).unwrap();
        let found = answer["bins"].as_object().unwrap();
        assert_eq!(found.len(), 1);
        let path = PathBuf::from(found[shell].as_str().unwrap());
        assert!(path.is_absolute() && path.is_file(), "{path:?}");
    }

    struct NoDesktop;

    impl Notifier for NoDesktop {
        fn notify(&self, _: Notification) -> Result<(), NotifyError> {
            Err(NotifyError::NoService)
        }
    }
}
