//! What this machine does when a gateway invokes it.
//!
//! Each command is one [`NodeCommand`] in one table: what it is called on the wire, what a person reads
//! about it, and the function that does it. This crate may touch the operating system. It knows nothing of
//! gateways, connections or approvals: whoever calls [`run`] has already decided that the command may run.

mod command;
mod system_notify;
mod system_which;

pub use command::{CommandError, NodeCommand, code, commands, run};
pub use system_notify::{Notification, Notifier, NotifyError, Urgency};
