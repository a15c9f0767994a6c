//! One companion per data folder.

use std::time::{Duration, Instant};

use ui_tests::{SOON, Scene, quiet_desktop};

#[tokio::test]
async fn a_second_start_says_who_runs_and_ends() {
    let mut scene = Scene::on(&quiet_desktop());
    scene.companion.start_with(&[]).await;
    let pid = scene.companion.pid().expect("it runs");
    let second = scene.companion.cli(&["run", "--headless"]).await;
    assert_eq!(second.code, 0, "{second:?}");
    let says = format!("Claw Companion runs already (pid {pid}).\n");
    assert_eq!(second.stdout, says, "{second:?}");
    assert_eq!(scene.windows(), 0, "headless asks for no window");
    let status = scene.companion.status().await.expect("it answers");
    assert_eq!(status["pid"], pid);
}

#[tokio::test]
async fn after_a_crash_the_next_start_works_at_once() {
    let gateway = ui_tests::gateway().await;
    let mut scene = Scene::on(&quiet_desktop()).paired_with(&gateway).await;
    scene.companion.kill().await;
    let started = Instant::now();
    scene.companion.start_with(&[]).await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "it took {:?} to start",
        started.elapsed()
    );
    scene.companion.wait_until_ready(SOON).await;
    gateway.wait_for_connected("operator", 1, SOON).await;
    gateway.wait_for_connected("node", 1, SOON).await;
    assert_eq!(scene.desktop.tray_labels().len(), 3);
}
