//! The person's desktop: notifications and the window.

use companion_core::Notification;
use companion_runtime::Desktop;
use node_commands::{Notifier, NotifyError, Urgency};
use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};
use tokio::sync::mpsc::UnboundedSender;

const NAME: &str = "Claw Companion";

/// Shows notifications, and asks for the window.
#[derive(Debug)]
pub(crate) struct ThisDesktop {
    /// Absent without a screen.
    notifications: Option<mpsc::SyncSender<Job>>,
    /// Taken by the window's task; absent without a screen.
    window: Option<UnboundedSender<()>>,
}

/// A notification, and where to say whether it was shown.
type Job = (
    node_commands::Notification,
    mpsc::Sender<Result<(), NotifyError>>,
);

/// A service that shows nothing for this long is as good as none.
const PATIENCE: Duration = Duration::from_secs(5);
const WAITING: usize = 16;

impl ThisDesktop {
    /// A desktop with a screen; `icon` is a picture file for notifications. Notifications have a thread of their own: a service that hangs holds up nobody else.
    pub(crate) fn with_screen(window: UnboundedSender<()>, icon: Option<PathBuf>) -> Self {
        let (notifications, jobs) = mpsc::sync_channel::<Job>(WAITING);
        let worker = thread::Builder::new()
            .name("notifications".to_owned())
            .spawn(move || {
                for (notification, shown) in jobs {
                    // whoever asked may have stopped waiting
                    let _ = shown.send(show(&notification, icon.as_deref()));
                }
            });
        if let Err(error) = &worker {
            tracing::warn!(%error, "no notifications");
        }
        Self {
            notifications: worker.is_ok().then_some(notifications),
            window: Some(window),
        }
    }

    /// Nobody looks.
    pub(crate) const fn headless() -> Self {
        Self {
            notifications: None,
            window: None,
        }
    }
}

impl Notifier for ThisDesktop {
    fn notify(&self, notification: node_commands::Notification) -> Result<(), NotifyError> {
        let Some(notifications) = &self.notifications else {
            return Err(NotifyError::NoService);
        };
        let (shown, answer) = mpsc::channel();
        let busy = || NotifyError::Refused {
            reason: "it takes too long".to_owned(),
        };
        notifications
            .try_send((notification, shown))
            .map_err(|_| busy())?;
        answer.recv_timeout(PATIENCE).map_err(|_| busy())?
    }
}

impl Desktop for ThisDesktop {
    fn tell(&self, notification: &Notification) {
        let told = self.notify(node_commands::Notification {
            title: notification.title.clone(),
            body: notification.body.clone(),
            urgency: Urgency::Normal,
        });
        match told {
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

fn show(wanted: &node_commands::Notification, icon: Option<&Path>) -> Result<(), NotifyError> {
    let mut notification = notify_rust::Notification::new();
    notification.appname(NAME);
    if let Some(icon) = icon.and_then(Path::to_str) {
        notification.icon(icon);
    }
    // a summary is plain by specification, a body may be read as markup
    notification.summary(if wanted.title.is_empty() {
        NAME
    } else {
        &wanted.title
    });
    notification.body(&escape(&wanted.body));
    crate::platform::set_urgency(&mut notification, wanted.urgency);
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
