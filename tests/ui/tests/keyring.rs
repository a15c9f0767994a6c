//! A system without a keyring.

use serde_json::json;
use test_support::{DesktopOptions, FakeGateway};
use ui_tests::{SOON, Scene, quiet_desktop};

#[tokio::test]
async fn without_a_keyring_it_runs_and_says_what_to_do() {
    let gateway = FakeGateway::builder().start().await;
    let mut scene = Scene::on(&without_keyring());
    scene.companion.start_with(&[]).await;
    let status = scene
        .companion
        .wait_for("needing a person", SOON, |status| {
            status["overall"] == "needs_you"
        })
        .await;
    assert_eq!(
        status["problems"][0]["code"], "secret_store_unavailable",
        "{status}"
    );
    assert!(scene.desktop.tray_labels().contains(&"Open".to_owned()));

    let code = gateway.setup_code("bootstrap-token");
    let refused = scene.companion.pair(&code, &[]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "secret_store_unavailable");
    let remedy = error["remedy"].to_string();
    assert!(remedy.contains("--secret-store file"), "{remedy}");
    assert!(gateway.connects().is_empty(), "the code was spent");
}

#[tokio::test]
async fn a_file_takes_the_place_of_the_keyring_when_the_person_says_so() {
    let gateway = ui_tests::gateway().await;
    let mut scene = Scene::on(&without_keyring());
    scene
        .companion
        .start_with(&["--secret-store", "file"])
        .await;
    scene.pair_with(&gateway).await;
    let status = scene.companion.wait_until_ready(SOON).await;
    assert_eq!(
        status["secretStore"],
        json!({"kind": "file", "usable": true})
    );
    scene.companion.quit().await;
    // the choice is remembered
    scene.companion.start_with(&[]).await;
    scene.companion.wait_until_ready(SOON).await;
}

fn without_keyring() -> DesktopOptions {
    DesktopOptions {
        keyring: false,
        ..quiet_desktop()
    }
}
