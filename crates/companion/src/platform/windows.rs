//! Tray on the main thread; the end is asked for by Ctrl-C, closing the console or logging off.

#[path = "main_thread_tray.rs"]
mod main_thread_tray;

use main_thread_tray::Order;
pub(crate) use main_thread_tray::{TrayPlace, with_event_loop};
use node_commands::Urgency;
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use winit::event_loop::EventLoopBuilder;

/// A program without windows is in the background here.
fn stay_in_the_background(_builder: &mut EventLoopBuilder<Order>) {}

/// Toasts know no urgency here.
pub(crate) fn set_urgency(_notification: &mut notify_rust::Notification, _urgency: Urgency) {}

/// Comes back when the system or the person at the terminal wants an end.
pub(crate) async fn asked_to_end() {
    let (Ok(mut interrupt), Ok(mut stop), Ok(mut close), Ok(mut logoff), Ok(mut shutdown)) = (
        ctrl_c(),
        ctrl_break(),
        ctrl_close(),
        ctrl_logoff(),
        ctrl_shutdown(),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = stop.recv() => {}
        _ = close.recv() => {}
        _ = logoff.recv() => {}
        _ = shutdown.recv() => {}
    }
}
