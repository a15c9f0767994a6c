//! The program for Windows, under Wine, against the real gateway on the same loopback.

use serde_json::{Value, json};
use std::{env, time::Duration};
use test_support::{Companion, RealGateway};

/// Each command starts Wine anew.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
#[ignore = "needs Wine; run by cargo xtask cross"]
async fn a_code_pairs_and_a_restart_needs_none_under_wine() {
    let launcher = env::var_os("CLAW_COMPANION_WINE").expect("cargo xtask cross sets it");
    let gateway = RealGateway::start().await;
    let mut companion = Companion::of(launcher.into());
    companion.start().await;
    let code = gateway.mint_setup_code(json!({})).await;
    let paired = companion
        .pair(&code, &["--approve-node", "--wait", "60"])
        .await;
    assert_eq!(paired.code, 0, "{paired:?}\n{}", companion.log());
    assert_eq!(paired.json()["nodeSurface"], "approved", "{paired:?}");
    let before = companion.wait_until_ready(SOON).await;
    let device = before["gateways"][0]["deviceId"].clone();
    assert!(device.is_string(), "{before}");
    let pending = devices(&gateway).await["pending"].clone();

    companion.quit().await;
    let stopped = companion.cli(&["status"]).await;
    assert_eq!(stopped.code, 3, "{stopped:?}");
    companion.start().await;
    let after = companion.wait_until_ready(SOON).await;
    assert_eq!(after["gateways"][0]["deviceId"], device);

    let listed = devices(&gateway).await;
    assert_eq!(
        listed["pending"], pending,
        "a start must not ask for a new pairing"
    );
    let records = listed["paired"].as_array().expect("a list of devices");
    let ours: Vec<&Value> = records
        .iter()
        .filter(|record| record["deviceId"] == device)
        .collect();
    assert_eq!(ours.len(), 1, "{listed}");
    assert_eq!(ours[0]["platform"], "windows", "{listed}");
    companion.quit().await;
}

async fn devices(gateway: &RealGateway) -> Value {
    gateway.rpc("device.pair.list", json!({})).await
}
