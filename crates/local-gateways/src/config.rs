use std::io::Write;

use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::instance_home::InstanceHome;
use crate::port;

/// The port of the instance; the first call chooses it and writes the gateway's configuration.
///
/// The port and the token stay for the life of the instance, because what was paired is paired with both. Later changes
/// to the file, by the gateway or by a person, are left alone.
pub(crate) fn open(home: &InstanceHome) -> Result<u16, Error> {
    let path = home.config();
    if !path.exists() {
        return create(home);
    }
    crate::platform::restrict_file(&path).map_err(home.unusable(&path))?;
    let text = Zeroizing::new(std::fs::read(&path).map_err(home.unusable(&path))?);
    match serde_json::from_slice::<Config>(&text) {
        Ok(config) if config.gateway.port != 0 => Ok(config.gateway.port),
        Ok(_) | Err(_) => Err(Error::ConfigUnusable { path }),
    }
}

#[derive(Deserialize)]
struct Config {
    gateway: Gateway,
}

#[derive(Deserialize)]
struct Gateway {
    port: u16,
}

fn create(home: &InstanceHome) -> Result<u16, Error> {
    let port = port::choose()?;
    let text = render(port, &token()?);
    let path = home.config();
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(home.folder())?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(home.unusable(&path))?;
    Ok(port)
}

fn token() -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(Error::NoRandomness)?;
    let mut token = Zeroizing::new(String::with_capacity(64));
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 15] {
            token.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    Ok(token)
}

fn render(port: u16, token: &str) -> Zeroizing<String> {
    let without_token = json!({
        "gateway": {
            "mode": "local",
            "port": port,
            "bind": "loopback",
            "auth": { "mode": "token", "token": TOKEN_PLACE },
        },
        "agents": { "defaults": { "heartbeat": { "every": "0m" }, "skipBootstrap": true } },
        "plugins": {
            "entries": {
                "device-pair": {
                    "enabled": true,
                    "config": { "publicUrl": format!("ws://127.0.0.1:{port}") },
                },
            },
        },
        "update": { "checkOnStart": false },
        "logging": { "file": "openclaw.log", "maxFileBytes": 10_000_000, "consoleLevel": "warn" },
    });
    // the token goes in last, into one buffer that is wiped
    Zeroizing::new(format!("{without_token:#}\n").replacen(TOKEN_PLACE, token, 1))
}

const TOKEN_PLACE: &str = "TOKEN-PLACE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_gateway_needs() {
        let written: serde_json::Value = serde_json::from_str(&render(20123, "secret")).unwrap();
        let expected = json!({
            "gateway": {
                "mode": "local",
                "port": 20123,
                "bind": "loopback",
                "auth": { "mode": "token", "token": "secret" },
            },
            "agents": { "defaults": { "heartbeat": { "every": "0m" }, "skipBootstrap": true } },
            "plugins": {
                "entries": {
                    "device-pair": { "enabled": true, "config": { "publicUrl": "ws://127.0.0.1:20123" } },
                },
            },
            "update": { "checkOnStart": false },
            "logging": { "file": "openclaw.log", "maxFileBytes": 10_000_000, "consoleLevel": "warn" },
        });
        assert_eq!(written, expected);
    }

    #[test]
    fn tokens_are_256_bits_in_hex_and_differ() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_ne!(*one, *other);
        assert_eq!(one.len(), 64);
        assert!(one.chars().all(|digit| digit.is_ascii_hexdigit()));
    }

    #[test]
    fn keeps_port_and_token_and_changes_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(&folder.path().join("gateway")).unwrap();
        let port = open(&home).unwrap();
        let mut written = read(&home);
        assert_eq!(written["gateway"]["port"], port);
        written["models"] = json!({ "mode": "replace" });
        std::fs::write(home.config(), written.to_string()).unwrap();

        assert_eq!(open(&home).unwrap(), port);
        assert_eq!(read(&home), written);
    }

    #[test]
    fn refuses_a_configuration_without_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let home = InstanceHome::prepare(folder.path()).unwrap();
        for text in [
            "",
            "{",
            "{}",
            r#"{"gateway":{"port":0}}"#,
            r#"{"gateway":{"port":"1"}}"#,
        ] {
            std::fs::write(home.config(), text).unwrap();
            let error = open(&home).unwrap_err();
            assert!(
                matches!(error, Error::ConfigUnusable { .. }),
                "{text}: {error}"
            );
        }
    }

    fn read(home: &InstanceHome) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(home.config()).unwrap()).unwrap()
    }
}
