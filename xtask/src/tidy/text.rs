//! Rules for every text file.

use std::env;

use anyhow::{Context, Result};

use super::Finding;

/// Folders of the machine that runs the check, which mean nothing on another.
#[derive(Debug)]
pub(super) struct Machine {
    folders: Vec<String>,
}

impl Machine {
    pub(super) fn read() -> Result<Self> {
        let project = env::current_dir().context("the project's folder is gone")?;
        let mut folders = vec![project.to_string_lossy().into_owned()];
        // A file that talks of root's home need not come from it.
        let home = env::home_dir().map(|home| home.to_string_lossy().into_owned());
        folders.extend(home.filter(|home| home.matches(['/', '\\']).count() >= 2));
        Ok(Self { folders })
    }
}

pub(super) fn check(file: &str, text: &str, machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if machine.folders.iter().any(|folder| line.contains(folder)) {
            findings.push(Finding::at(file, number + 1, "a path of this machine"));
        }
    }
    if file.ends_with("package-lock.json") && text.contains("\"resolved\"") {
        findings.push(Finding::in_file(
            file,
            "names a registry: remove the \"resolved\" lines",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            folders: vec!["/home/ada/claw-companion".to_owned()],
        }
    }

    #[test]
    fn a_path_of_this_machine_is_found() {
        let findings = check(
            "README.md",
            "one\nsee /home/ada/claw-companion/target\n",
            &machine(),
        );
        assert_eq!(
            findings,
            [Finding::at("README.md", 2, "a path of this machine")]
        );
        assert!(check("README.md", "see ~/claw-companion\n", &machine()).is_empty());
    }

    #[test]
    fn a_lock_file_names_no_registry() {
        let lock = "{ \"a\": { \"resolved\": \"https://registry.example/a.tgz\" } }";
        assert_eq!(check("ui/package-lock.json", lock, &machine()).len(), 1);
        assert!(check("ui/package.json", lock, &machine()).is_empty());
        assert!(
            check(
                "ui/package-lock.json",
                "{ \"integrity\": \"sha512-\" }",
                &machine()
            )
            .is_empty()
        );
    }
}
