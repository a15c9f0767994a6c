//! The tray icon, its menu, and the notification after pairing.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::{fs, process::Command};

use serde_json::json;
use test_support::{Desktop, DesktopOptions, FakeNotifications, Tray};
use ui_tests::{SOON, Scene, eventually, gateway, quiet_desktop};

#[tokio::test]
async fn pairs_says_so_and_comes_back_from_the_keyring() {
    let gateway = gateway().await;
    let mut scene = Scene::on(&quiet_desktop());
    let notifications = FakeNotifications::start(&scene.desktop);
    scene.companion.start_with(&[]).await;
    assert_eq!(
        scene.desktop.tray_labels(),
        ["No gateway yet", "Open", "Quit"]
    );

    scene.pair_with(&gateway).await;
    let name = gateway_name(&scene).await;
    shows_in_the_tray(&scene.desktop, &format!("{name}: ready")).await;
    let shown = notifications.next(SOON).expect("a notification");
    assert_eq!(shown["summary"], format!("Paired with {name}"));
    assert_eq!(shown["app"], ui_tests::NAME);
    assert!(!shown["body"].as_str().unwrap().is_empty(), "{shown}");

    let tokens = ["device-token-of-operator", "device-token-of-node"];
    let stored = keyring(&scene.desktop);
    for token in tokens {
        assert!(stored.contains(token), "{token} is not in the keyring");
    }
    for file in fs::read_dir(scene.companion.home()).unwrap() {
        let path = file.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for secret in tokens.iter().chain(&["bootstrap-token"]) {
            assert!(!text.contains(secret), "{secret} is in {}", path.display());
        }
    }
    assert!(!scene.companion.home().join("vault.json").exists());

    scene.desktop.tray_click("Quit").unwrap();
    assert_eq!(scene.companion.ended(SOON).await, 0);

    let connects = gateway.connects().len();
    scene.companion.start_with(&[]).await;
    scene.companion.wait_until_ready(SOON).await;
    for connect in &gateway.connects()[connects..] {
        let token = format!("device-token-of-{}", connect["role"].as_str().unwrap());
        assert_eq!(connect["auth"], json!({ "deviceToken": token }));
    }
    // a start is no pairing: what comes next is what was sent last
    let text = json!({"title": "next"});
    gateway.invoke("system.notify", Some(text), SOON).await;
    let shown = notifications.next(SOON).expect("a notification");
    assert_eq!(shown["summary"], "next");
}

#[tokio::test]
async fn the_status_line_follows_the_gateway() {
    let gateway = gateway().await;
    let scene = Scene::on(&quiet_desktop()).paired_with(&gateway).await;
    let name = gateway_name(&scene).await;
    shows_in_the_tray(&scene.desktop, &format!("{name}: ready")).await;
    gateway.stop_listening().await;
    gateway.reset_all();
    let trouble = format!("{name}: The gateway does not answer");
    shows_in_the_tray(&scene.desktop, &trouble).await;
    gateway.start_listening().await;
    shows_in_the_tray(&scene.desktop, &format!("{name}: ready")).await;
}

#[tokio::test]
async fn a_tray_that_comes_later_gets_the_icon() {
    let mut scene = Scene::on(&DesktopOptions {
        tray: Tray::None,
        ..quiet_desktop()
    });
    scene.companion.start_with(&[]).await;
    scene.desktop.start_tray();
    let icons = scene.desktop.tray_icons();
    assert_eq!(icons.as_array().map(Vec::len), Some(1), "{icons}");
    assert_eq!(icons[0]["id"], "claw-companion");
    assert_eq!(icons[0]["title"], ui_tests::NAME);
    scene.desktop.tray_click("Quit").unwrap();
    assert_eq!(scene.companion.ended(SOON).await, 0);
}

#[tokio::test]
async fn the_companion_outlives_its_desktop() {
    let gateway = gateway().await;
    let scene = Scene::on(&quiet_desktop()).paired_with(&gateway).await;
    let Scene {
        mut companion,
        desktop,
    } = scene;
    drop(desktop);
    gateway.reset_all();
    companion
        .wait_for("ready again", SOON, |status| {
            status["overall"] == "ready" && gateway.connects().len() == 4
        })
        .await;
    companion.quit().await;
    let log = companion.log();
    let panic = log.lines().find(|line| line.contains("panicked"));
    assert_eq!(panic, None, "a release build aborts on it");
}

async fn gateway_name(scene: &Scene) -> String {
    let status = scene.companion.wait_until_ready(SOON).await;
    status["gateways"][0]["name"].as_str().unwrap().to_owned()
}

async fn shows_in_the_tray(desktop: &Desktop, status: &str) {
    eventually(status, || {
        let labels = desktop.tray_labels();
        (labels == [status, "Open", "Quit"])
            .then_some(())
            .ok_or(labels)
    })
    .await;
}

/// Everything that the keyring keeps for the companion, in the words of `secret-tool`.
fn keyring(desktop: &Desktop) -> String {
    ["claw-companion", "claw-companion-dev"]
        .into_iter()
        .map(|service| {
            let mut search = Command::new("secret-tool");
            search.args(["search", "--all", "--unlock", "service", service]);
            let found = desktop.apply(&mut search).output();
            let found = found.expect("secret-tool is installed");
            String::from_utf8_lossy(&found.stdout).into_owned()
        })
        .collect()
}
