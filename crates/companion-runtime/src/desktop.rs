//! What the runtime needs of the desktop. The program implements it; tests record it.

use companion_core::Notification;
use node_commands::Notifier;

/// The person's desktop. Every call may block; the runtime calls it where that is allowed.
pub trait Desktop: Notifier {
    /// Tells the person something of ours. Nobody to tell is no failure: the snapshot says the same.
    fn tell(&self, notification: &Notification);

    /// Starts the window or brings it to the front.
    fn open_window(&self);
}
