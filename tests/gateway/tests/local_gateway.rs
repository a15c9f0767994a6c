//! The gateway that the companion runs itself: from an empty folder to a paired node, and back again.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::{fs, net::TcpStream, time::Duration};
use test_support::{Companion, Programs};

const START: Duration = Duration::from_secs(90);

#[tokio::test]
async fn an_empty_folder_becomes_a_paired_companion_and_stays_one() {
    Programs::ready().await;
    let mut companion = Companion::new();
    let arguments = ["--headless", "--secret-store", "file"];
    companion
        .start_with(&[&arguments[..], &["--with-local-gateway", "--approve-node"]].concat())
        .await;
    let first = companion.wait_until_ready(START).await;
    let view = &first["gateways"][0];
    assert_eq!(
        (view["local"].as_bool(), view["name"].as_str()),
        (Some(true), Some("Local gateway"))
    );
    assert_eq!(
        view["node"]["commands"]["usable"].as_array().map(Vec::len),
        Some(2),
        "{first}"
    );
    let port = port(view["url"].as_str().expect("an address"));
    companion.quit().await;
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "the gateway ends with its companion"
    );

    companion.start_with(&arguments).await;
    let second = companion.wait_until_ready(START).await;
    assert_eq!(second["gateways"][0]["deviceId"], view["deviceId"]);
    assert_eq!(second["gateways"][0]["url"], view["url"]);

    let pid =
        fs::read_to_string(companion.home().join("local-gateway/gateway.pid")).expect("a pid file");
    let killed = std::process::Command::new("kill")
        .args(["-9", pid.trim()])
        .status()
        .expect("kill");
    assert!(killed.success());
    companion
        .wait_for("missed", START, |status| status["overall"] != "ready")
        .await;
    companion.wait_until_ready(START).await;
    companion.quit().await;
}

fn port(url: &str) -> u16 {
    let digits: String = url
        .rsplit(':')
        .next()
        .into_iter()
        .flat_map(str::chars)
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().expect("a port")
}
