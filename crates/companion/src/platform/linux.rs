//! Tray by StatusNotifierItem; it needs neither GTK nor a main thread.

use crate::icons::{Picture, pictures};
use companion_core::tray::{MenuAction, MenuItem, Tray};
use ksni::TrayMethods;
use node_commands::Urgency;
use std::process::ExitCode;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Where a tray icon can be shown.
#[derive(Debug)]
pub(crate) struct TrayPlace;

/// The icon, as long as it is shown.
pub(crate) struct ShownTray(ksni::Handle<Item>);

struct Item {
    tray: Tray,
    pressed: mpsc::UnboundedSender<MenuAction>,
}

/// Runs `work`; other systems keep the main thread for their tray.
pub(crate) fn with_event_loop(
    work: impl FnOnce(TrayPlace) -> ExitCode + Send + 'static,
) -> ExitCode {
    work(TrayPlace)
}

impl TrayPlace {
    /// Shows the icon; a tray host that comes later shows it then. `None` without a session bus.
    pub(crate) async fn show(
        self,
        tray: Tray,
        pressed: mpsc::UnboundedSender<MenuAction>,
    ) -> Option<ShownTray> {
        match (Item { tray, pressed })
            .assume_sni_available(true)
            .spawn()
            .await
        {
            Ok(handle) => Some(ShownTray(handle)),
            Err(error) => {
                tracing::info!(%error, "no tray icon");
                None
            }
        }
    }
}

impl ShownTray {
    /// Shows this from now on.
    pub(crate) async fn update(&self, tray: Tray) {
        self.0.update(move |item| item.tray = tray).await;
    }
}

impl Drop for ShownTray {
    /// Ends the service before its last handle goes: it would end itself then, and a bus that is gone already would
    /// make it panic.
    fn drop(&mut self) {
        drop(self.0.shutdown());
    }
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "claw-companion".to_owned()
    }

    fn title(&self) -> String {
        "Claw Companion".to_owned()
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        pictures(self.tray.icon).into_iter().map(argb).collect()
    }

    fn tool_tip(&self) -> ksni::ToolTip {
        ksni::ToolTip {
            title: self.tray.tooltip.clone(),
            ..ksni::ToolTip::default()
        }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.press(MenuAction::Open);
    }

    fn menu(&self) -> Vec<ksni::MenuItem<Self>> {
        self.tray.menu.iter().map(render).collect()
    }
}

impl Item {
    fn press(&self, action: MenuAction) {
        // nobody listens once the companion ends
        let _ = self.pressed.send(action);
    }
}

fn render(item: &MenuItem) -> ksni::MenuItem<Item> {
    match item {
        MenuItem::Separator => ksni::MenuItem::Separator,
        MenuItem::Line(text) => ksni::menu::StandardItem {
            label: label(text),
            enabled: false,
            ..Default::default()
        }
        .into(),
        MenuItem::Action(action, text) => {
            let action = *action;
            ksni::menu::StandardItem {
                label: label(text),
                activate: Box::new(move |item: &mut Item| item.press(action)),
                ..Default::default()
            }
            .into()
        }
    }
}

/// A single underscore would mark an access key.
fn label(text: &str) -> String {
    text.replace('_', "__")
}

fn argb(picture: Picture) -> ksni::Icon {
    let data = picture
        .rgba
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[3], pixel[0], pixel[1], pixel[2]])
        .collect();
    ksni::Icon {
        width: i32::try_from(picture.width).unwrap_or(0),
        height: i32::try_from(picture.height).unwrap_or(0),
        data,
    }
}

pub(crate) fn set_urgency(notification: &mut notify_rust::Notification, urgency: Urgency) {
    notification.urgency(match urgency {
        Urgency::Low => notify_rust::Urgency::Low,
        Urgency::Normal => notify_rust::Urgency::Normal,
        Urgency::Critical => notify_rust::Urgency::Critical,
    });
}

/// Comes back when the system or the person at the terminal wants an end.
pub(crate) async fn asked_to_end() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
