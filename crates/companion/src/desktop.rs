//! The person's desktop: notifications and the window.

use companion_core::Notification;
use companion_runtime::Desktop;
use node_commands::{Notifier, NotifyError, Urgency};
use tokio::sync::mpsc;

const NAME: &str = "Claw Companion";

/// Shows notifications, and asks for the window.
#[derive(Debug)]
pub(crate) struct ThisDesktop {
    /// Taken by the window's task; absent without a screen.
    pub(crate) window: Option<mpsc::UnboundedSender<()>>,
}

impl Notifier for ThisDesktop {
    fn notify(&self, notification: node_commands::Notification) -> Result<(), NotifyError> {
        show(
            &notification.title,
            &notification.body,
            notification.urgency,
        )
    }
}

impl Desktop for ThisDesktop {
    fn tell(&self, notification: &Notification) {
        match show(&notification.title, &notification.body, Urgency::Normal) {
            Ok(()) => tracing::info!(key = notification.key, "notified"),
            Err(error) => {
                tracing::info!(%error, key = notification.key, "nobody saw a notification")
            }
        }
    }

    fn open_window(&self) {
        let asked = self
            .window
            .as_ref()
            .is_some_and(|window| window.send(()).is_ok());
        if !asked {
            tracing::info!("there is no screen for a window");
        }
    }
}

fn show(title: &str, body: &str, urgency: Urgency) -> Result<(), NotifyError> {
    let mut notification = notify_rust::Notification::new();
    notification.appname(NAME).icon("claw-companion");
    // a summary is plain by specification, a body may be read as markup
    notification.summary(if title.is_empty() { NAME } else { title });
    notification.body(&escape(body));
    crate::platform::set_urgency(&mut notification, urgency);
    notification.show().map(|_| ()).map_err(|error| {
        let text = error.to_string();
        match ["ServiceUnknown", "connect", "Connection", "NotFound"]
            .iter()
            .any(|sign| text.contains(sign))
        {
            true => NotifyError::NoService,
            false => NotifyError::Refused { reason: text },
        }
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_body_is_shown_as_it_was_written() {
        assert_eq!(escape("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }
}
