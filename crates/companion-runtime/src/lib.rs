//! The loop: performs the core's effects, hands their results back as inputs, publishes snapshots.
//!
//! Touches sockets and timers, and through the crates below it files, keyring and processes. It decides nothing.

mod companion;
mod desktop;
mod keeper;
mod local_gateway;
#[cfg_attr(target_os = "linux", path = "platform/linux.rs")]
#[cfg_attr(target_os = "macos", path = "platform/macos.rs")]
#[cfg_attr(target_os = "windows", path = "platform/windows.rs")]
mod platform;
mod runtime;
mod sockets;
mod timers;
mod translate;

pub use companion::{Companion, scripted};
pub use desktop::Desktop;
pub use local_gateway::LocalGateway;
pub use runtime::{Config, start};
