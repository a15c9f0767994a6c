//! `system.notify`, from a gateway to the person's desktop.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use test_support::FakeNotifications;
use ui_tests::{SOON, Scene, gateway, quiet_desktop};

#[tokio::test]
async fn an_agents_notification_is_shown_as_it_was_written() {
    let gateway = gateway().await;
    let scene = Scene::on(&quiet_desktop());
    let notifications = FakeNotifications::start(&scene.desktop);
    let _scene = scene.paired_with(&gateway).await;
    let paired = notifications.next(SOON).expect("a notification");
    assert!(paired["summary"].to_string().contains("Paired"), "{paired}");

    let text = json!({"title": "Tea & <b>cake</b>", "body": "<b>4 < 5</b> & <a href=\"x\">more</a>", "priority": "timeSensitive"});
    let result = gateway.invoke("system.notify", Some(text), SOON).await;
    assert_eq!(result["ok"], true, "{result}");
    assert_eq!(payload(&result), json!({"sent": true}));
    let shown = notifications.next(SOON).expect("a notification");
    assert_eq!(shown["summary"], "Tea & <b>cake</b>");
    assert_eq!(
        shown["body"],
        "&lt;b&gt;4 &lt; 5&lt;/b&gt; &amp; &lt;a href=\"x\"&gt;more&lt;/a&gt;"
    );
    assert_eq!(shown["hints"]["urgency"], 2, "{shown}");
    assert_eq!(shown["actions"], json!({}), "an agent offers no buttons");
}

#[tokio::test]
async fn an_agent_is_told_when_nobody_shows_notifications() {
    let gateway = gateway().await;
    let _scene = Scene::on(&quiet_desktop()).paired_with(&gateway).await;
    let text = json!({"title": "Tea"});
    let result = gateway.invoke("system.notify", Some(text), SOON).await;
    assert_eq!(result["ok"], false, "{result}");
    assert_eq!(result["error"]["code"], "NOTIFICATIONS_UNAVAILABLE");
}

fn payload(result: &Value) -> Value {
    let text = result["payloadJSON"].as_str().expect("a payload");
    serde_json::from_str(text).expect("JSON")
}
