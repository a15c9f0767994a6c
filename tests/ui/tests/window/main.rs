//! The window: opened from the tray, fed with snapshots, gone without a trace.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod driver;

use std::{process::Command, time::Duration};

use driver::Driver;
use tokio::time::timeout;
use ui_tests::{Process, SOON, Scene, eventually, gateway, processes_of, quiet_desktop};

/// How long a person waits before pressing a key again.
const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn shows_every_snapshot() {
    let gateway = gateway().await;
    let scene = Scene::on(&quiet_desktop());
    let driver = Driver::start(&scene);
    let opens_the_window = async {
        let companion = &scene.companion;
        companion.wait_for("answering", SOON, |_| true).await;
        scene.pair_with(&gateway).await;
        scene.desktop.tray_click("Open").unwrap();
    };
    let (page, ()) = tokio::join!(driver.run_companion(), opens_the_window);

    let status = scene.companion.status().await.unwrap();
    let name = status["gateways"][0]["name"].as_str().unwrap();
    for text in [
        "Everything is connected.",
        name,
        &gateway.url(),
        "OpenClaw 2026.9.6",
        "Operator",
        "Node",
        "2 commands usable",
        "Tokens in the system keyring",
    ] {
        page.shows(text).await;
    }

    gateway.stop_listening().await;
    gateway.reset_all();
    page.shows("The gateway does not answer").await;
    gateway.start_listening().await;
    page.shows("Everything is connected.").await;
    assert_eq!(scene.windows(), 1);

    let ended = scene.companion.cli(&["quit"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    nothing_is_left(&scene).await;
}

#[tokio::test]
async fn opens_once_and_closes_without_a_trace() {
    let gateway = gateway().await;
    let mut scene = Scene::on(&quiet_desktop()).paired_with(&gateway).await;
    assert!(scene.window_processes().is_empty());

    scene.desktop.tray_click("Open").unwrap();
    let first = one_window(&scene).await;
    for again in ["the tray", "a second start"] {
        minimize_the_window(&scene).await;
        match again {
            "the tray" => scene.desktop.tray_click("Open").unwrap(),
            _ => start_again(&scene).await,
        }
        assert_eq!(one_window(&scene).await, first, "opened by {again}");
    }

    close_the_window(&scene).await;
    no_window(&scene).await;
    start_again(&scene).await;
    let second = one_window(&scene).await;
    assert_ne!(second, first);

    let since =
        scene.companion.wait_until_ready(SOON).await["gateways"][0]["node"]["since"].clone();
    second.kill();
    no_window(&scene).await;
    let status = scene.companion.status().await.expect("it still answers");
    assert_eq!(status["overall"], "ready");
    assert_eq!(status["gateways"][0]["node"]["since"], since);

    scene.desktop.tray_click("Open").unwrap();
    one_window(&scene).await;
    scene.companion.quit().await;
    nothing_is_left(&scene).await;
    assert_eq!(scene.windows(), 0);
    assert_eq!(scene.companion.log().matches("window opened").count(), 3);
}

#[tokio::test]
async fn ends_with_a_companion_that_crashed() {
    let mut scene = Scene::on(&quiet_desktop());
    scene.companion.start_with(&[]).await;
    scene.desktop.tray_click("Open").unwrap();
    one_window(&scene).await;
    scene.companion.kill().await;
    nothing_is_left(&scene).await;
}

/// As a person does who does not know that it runs.
async fn start_again(scene: &Scene) {
    let second_start = scene.companion.cli(&["run"]).await;
    assert_eq!(second_start.code, 0, "{second_start:?}");
}

/// Waits for exactly one window of exactly one process.
async fn one_window(scene: &Scene) -> Process {
    eventually("down to one window", || {
        let processes = scene.window_processes();
        match (&processes[..], scene.windows()) {
            ([one], 1) => Ok(one.clone()),
            (_, windows) => Err((processes, windows)),
        }
    })
    .await
}

async fn no_window(scene: &Scene) {
    eventually("rid of the window", || {
        let left = (scene.window_processes(), scene.windows());
        let log = scene.companion.log();
        let opened_and_closed = ["window opened", "window closed"].map(|m| log.matches(m).count());
        match left {
            (processes, 0) if processes.is_empty() => Ok(()),
            left => Err((left, opened_and_closed)),
        }
    })
    .await;
}

/// Neither the companion nor its window nor a process of the web view.
async fn nothing_is_left(scene: &Scene) {
    let home = scene.companion.home();
    eventually("rid of every process", || {
        let left: Vec<_> = processes_of(&home)
            .into_iter()
            .filter(|process| process.program != "WebKitWebDriver")
            .collect();
        left.is_empty().then_some(()).ok_or(left)
    })
    .await;
}

/// As a person does: by the window manager's key, again when nothing happens.
async fn close_the_window(scene: &Scene) {
    for _ in 0..3 {
        focus_on_the_window(scene).await;
        xdotool(scene, &["key", "alt+F4"]);
        if timeout(PATIENCE, invisible(scene)).await.is_ok() {
            return;
        }
    }
}

async fn minimize_the_window(scene: &Scene) {
    focus_on_the_window(scene).await;
    xdotool(scene, &["getactivewindow", "windowminimize"]);
    invisible(scene).await;
}

async fn invisible(scene: &Scene) {
    eventually("invisible", || match scene.windows() {
        0 => Ok(()),
        visible => Err(visible),
    })
    .await;
}

async fn focus_on_the_window(scene: &Scene) {
    eventually("in focus", || {
        let focus = xdotool(scene, &["getactivewindow", "getwindowname"]);
        (focus.trim() == ui_tests::NAME).then_some(()).ok_or(focus)
    })
    .await;
}

fn xdotool(scene: &Scene, arguments: &[&str]) -> String {
    let mut xdotool = Command::new("xdotool");
    let done = scene.desktop.apply(xdotool.args(arguments)).output();
    let done = done.expect("xdotool is installed");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
