use std::env::JoinPathsError;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::instance_home::InstanceHome;

/// Everything a gateway process gets to see of the environment.
///
/// The companion's own variables may hold secrets, or address another gateway, so only those named here pass.
pub(crate) fn gateway_variables(
    home: &InstanceHome,
    node_folder: &Path,
) -> Result<Vec<(OsString, OsString)>, JoinPathsError> {
    let mut variables = kept(std::env::vars_os());
    let own = [
        ("PATH", path_after(node_folder)?),
        ("HOME", home.user_home().into()),
        ("USERPROFILE", home.user_home().into()),
        ("OPENCLAW_STATE_DIR", home.state().into()),
        ("OPENCLAW_CONFIG_PATH", home.config().into()),
        ("OPENCLAW_NO_RESPAWN", "1".into()),
        ("OPENCLAW_DISABLE_BONJOUR", "1".into()),
        ("OPENCLAW_EXEC_SHELL_SNAPSHOT", "0".into()),
        ("NO_COLOR", "1".into()),
    ];
    variables.extend(own.map(|(name, value)| (name.into(), value)));
    Ok(variables)
}

/// The search path of this process with `first` before all of it.
pub(crate) fn path_after(first: &Path) -> Result<OsString, JoinPathsError> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let rest: Vec<PathBuf> = std::env::split_paths(&rest).collect();
    std::env::join_paths(std::iter::once(first.to_owned()).chain(rest))
}

fn kept(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    all.filter(|(name, _)| {
        KEPT.iter()
            .any(|kept| name.eq_ignore_ascii_case(OsStr::new(kept)))
    })
    .collect()
}

const KEPT: &[&str] = &[
    "ALL_PROXY",
    "COMSPEC",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "USERNAME",
    "WINDIR",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_only_what_is_named() {
        let names = [
            "LANG",
            "SystemRoot",
            "https_proxy",
            "OPENCLAW_GATEWAY_TOKEN",
            "HOME",
            "NPM_TOKEN",
            "NODE_OPTIONS",
        ];
        let all = names.map(|name| (name.into(), "x".into()));
        let passed: Vec<_> = kept(all.into_iter())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(passed, ["LANG", "SystemRoot", "https_proxy"]);
    }

    #[test]
    fn points_the_gateway_into_its_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        let node = folder.path().join("node");
        let variables = gateway_variables(&home, &node).unwrap();
        for name in [
            "HOME",
            "USERPROFILE",
            "OPENCLAW_STATE_DIR",
            "OPENCLAW_CONFIG_PATH",
        ] {
            let values: Vec<_> = variables.iter().filter(|(key, _)| key == name).collect();
            assert_eq!(values.len(), 1, "{name}");
            assert!(Path::new(&values[0].1).starts_with(folder.path()), "{name}");
        }
        let (_, path) = variables.iter().find(|(key, _)| key == "PATH").unwrap();
        assert_eq!(std::env::split_paths(path).next(), Some(node));
    }
}
