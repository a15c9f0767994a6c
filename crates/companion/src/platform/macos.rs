//! Tray on the main thread; signals as on any Unix.

#[path = "main_thread_tray.rs"]
mod main_thread_tray;

use main_thread_tray::Order;
pub(crate) use main_thread_tray::{TrayPlace, with_event_loop};
use node_commands::Urgency;
use tokio::signal::unix::{SignalKind, signal};
use winit::{
    event_loop::EventLoopBuilder,
    platform::macos::{ActivationPolicy, EventLoopBuilderExtMacOS},
};

/// No picture in the Dock, and no focus taken from what the person is doing.
fn stay_in_the_background(builder: &mut EventLoopBuilder<Order>) {
    builder
        .with_activation_policy(ActivationPolicy::Accessory)
        .with_activate_ignoring_other_apps(false);
}

/// The notification centre knows no urgency here.
pub(crate) fn set_urgency(_notification: &mut notify_rust::Notification, _urgency: Urgency) {}

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
