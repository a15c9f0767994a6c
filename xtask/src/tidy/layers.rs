//! The arrows between crates, as ARCHITECTURE.md draws them.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;

/// Each crate with those of ours it may depend on.
const ARROWS: [(&str, &[&str]); 12] = [
    ("gateway-protocol", &[]),
    ("gateway-client", &["gateway-protocol"]),
    ("companion-core", &["gateway-protocol"]),
    ("companion-store", &["companion-core", "gateway-protocol"]),
    ("node-commands", &[]),
    ("local-gateways", &[]),
    (
        "companion-runtime",
        &[
            "companion-core",
            "companion-store",
            "gateway-client",
            "gateway-protocol",
            "local-gateways",
            "node-commands",
        ],
    ),
    (
        "control-endpoint",
        &["companion-core", "companion-runtime", "companion-store"],
    ),
    ("window-link", &["companion-core"]),
    (
        "claw-companion",
        &[
            "node-commands",
            "companion-core",
            "companion-runtime",
            "companion-store",
            "control-endpoint",
            "gateway-protocol",
            "window-link",
        ],
    ),
    ("claw-companion-window", &["companion-core", "window-link"]),
    ("xtask", &[]),
];
/// Only for tests and measurements, which may use everything.
const FREE: [&str; 4] = [
    "companion-bench",
    "gateway-tests",
    "test-support",
    "ui-tests",
];
/// What a crate may use whose code can do nothing by itself.
const PURE: [(&str, &[&str]); 2] = [
    (
        "gateway-protocol",
        &[
            "base64",
            "ed25519-dalek",
            "secrecy",
            "serde",
            "serde_json",
            "sha2",
            "subtle",
            "thiserror",
            "url",
        ],
    ),
    (
        "companion-core",
        &[
            "gateway-protocol",
            "jiff",
            "secrecy",
            "serde",
            "serde_json",
            "thiserror",
            "ts-rs",
        ],
    ),
];

/// Looks at what `cargo metadata --no-deps` says.
pub(super) fn check(metadata: &Value) -> Result<Vec<Finding>> {
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo lists no packages")?;
    let ours = packages.iter().map(name).collect::<Result<Vec<_>>>()?;
    let mut findings = Vec::new();
    for package in packages {
        let package_name = name(package)?;
        let allowed = ARROWS
            .iter()
            .find(|(name, _)| *name == package_name)
            .map(|(_, allowed)| *allowed);
        let pure = PURE
            .iter()
            .find(|(name, _)| *name == package_name)
            .map(|(_, allowed)| *allowed);
        if allowed.is_none() && !FREE.contains(&package_name) {
            findings.push(Finding::in_file(
                package_name,
                "a crate that xtask/src/tidy/layers.rs does not know",
            ));
        }
        for dependency in package
            .get("dependencies")
            .and_then(Value::as_array)
            .context("no dependencies")?
        {
            let dependency_name = name(dependency)?;
            let kind = dependency.get("kind").and_then(Value::as_str);
            let is_ours = ours.contains(&dependency_name);
            let for_tests = kind == Some("dev") && dependency_name == "test-support";
            if is_ours
                && !for_tests
                && allowed.is_some_and(|allowed| !allowed.contains(&dependency_name))
            {
                let what = format!(
                    "must not depend on {dependency_name}: ARCHITECTURE.md shows the arrows"
                );
                findings.push(Finding::in_file(package_name, what));
            } else if kind.is_none()
                && pure.is_some_and(|allowed| !allowed.contains(&dependency_name))
            {
                let what = format!("is pure, and nobody looked yet whether {dependency_name} is");
                findings.push(Finding::in_file(package_name, what));
            }
        }
    }
    Ok(findings)
}

fn name(value: &Value) -> Result<&str> {
    value
        .get("name")
        .and_then(Value::as_str)
        .context("a package without a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(package: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let packages = json!({"packages": [
            {"name": package, "dependencies": [{"name": dependency, "kind": kind}]},
            {"name": "companion-runtime", "dependencies": []},
            {"name": "gateway-protocol", "dependencies": []},
            {"name": "test-support", "dependencies": []},
        ]});
        check(&packages)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_arrow_that_is_not_drawn_is_found() {
        let findings = found("window-link", "companion-runtime", None);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].starts_with("window-link: must not depend on companion-runtime"),
            "{}",
            findings[0]
        );
        assert_eq!(
            found("window-link", "companion-runtime", Some("dev")).len(),
            1
        );
    }

    #[test]
    fn drawn_arrows_and_test_support_in_tests_are_in_order() {
        assert!(found("gateway-client", "gateway-protocol", None).is_empty());
        assert!(found("gateway-client", "test-support", Some("dev")).is_empty());
        assert_eq!(found("gateway-client", "test-support", None).len(), 1);
        assert!(found("gateway-tests", "companion-runtime", None).is_empty());
    }

    #[test]
    fn a_pure_crate_gets_no_runtime() {
        assert_eq!(found("companion-core", "tokio", None).len(), 1);
        assert!(found("companion-core", "proptest", Some("dev")).is_empty());
        assert!(found("gateway-client", "tokio", None).is_empty());
    }

    #[test]
    fn a_new_crate_is_drawn_first() {
        assert_eq!(found("companion-magic", "serde", None).len(), 1);
    }
}
