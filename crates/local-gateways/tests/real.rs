//! A private gateway for real: downloads once per machine (about 800 MB), then starts, mints, restarts and stops it.

use std::env;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use local_gateways::{Error, Installation, PrivateGateway};
use secrecy::ExposeSecret;

#[tokio::test]
#[ignore = "installs and runs the real gateway"]
async fn installs_starts_mints_restarts_and_stops() {
    let began = Instant::now();
    let say = |step| eprintln!("{:6.1} s  {step}", began.elapsed().as_secs_f32());

    // both at once: one downloads, the other waits for it
    let cache = cache();
    let (one, other) = tokio::join!(
        sendable(Installation::install(&cache, say)),
        sendable(Installation::install(&cache, say))
    );
    let installation = one.unwrap();
    assert_eq!(other.unwrap(), installation);
    assert_eq!(Installation::find(&cache), Some(installation.clone()));

    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("private-gateway");
    let gateway = sendable(PrivateGateway::start(&installation, &home, say))
        .await
        .unwrap();
    let port = gateway.port();
    assert_eq!(gateway.url(), format!("ws://127.0.0.1:{port}"));
    assert!(listens(port));

    let second = PrivateGateway::start(&installation, &home, say).await;
    assert!(
        matches!(second, Err(Error::AlreadyRunning { .. })),
        "{second:?}"
    );

    let code = gateway.mint_setup_code().await.unwrap();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(code.expose_secret()).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["url"], gateway.url());
    assert!(
        payload["bootstrapToken"]
            .as_str()
            .is_some_and(|token| token.len() >= 32)
    );
    say(local_gateways::Progress::MintingSetupCode);

    gateway.stop(GRACE).await;
    assert!(!listens(port));
    assert!(!home.join("gateway.pid").exists());

    let mut gateway = PrivateGateway::start(&installation, &home, say)
        .await
        .unwrap();
    assert_eq!(gateway.port(), port);
    let still_runs = tokio::time::timeout(Duration::from_millis(200), gateway.exited()).await;
    assert!(still_runs.is_err(), "{still_runs:?}");
    gateway.stop(GRACE).await;
    assert!(!listens(port));

    let log = std::fs::read_to_string(home.join("gateway.log")).unwrap();
    assert!(!log.contains(code.expose_secret()));

    let config = home.join("openclaw.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let broken = text.replace("\"skipBootstrap\": true", "\"skipBootstrap\": 7");
    assert_ne!(broken, text);
    std::fs::write(&config, broken).unwrap();
    let refused = PrivateGateway::start(&installation, &home, say).await;
    assert!(
        matches!(refused, Err(Error::ConfigUnusable { .. })),
        "{refused:?}"
    );
    assert!(!listens(port));
    eprintln!("{:6.1} s  stopped", began.elapsed().as_secs_f32());
}

/// A companion runs these on threads of its choice.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The folder that the companion itself would use, so that a machine downloads once.
fn cache() -> PathBuf {
    if let Some(chosen) = env::var_os("CLAW_COMPANION_CACHE") {
        return chosen.into();
    }
    let set = |name| env::var_os(name).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA"));
    let base = base.or_else(|| Some(set("HOME")?.join(".cache")));
    let base = base.unwrap_or_else(env::temp_dir);
    base.join("claw-companion")
}

const GRACE: Duration = Duration::from_secs(20);
