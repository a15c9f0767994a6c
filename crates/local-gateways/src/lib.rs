//! Gateway instances on this computer: today a private gateway, run as a child process.
//!
//! [`Installation`] is the software, shared by every instance of this machine. [`PrivateGateway`] is one running instance
//! with its own state. This crate may touch child processes, the disk and loopback. It knows nothing of pairing: it hands out
//! an address and a setup code, and whoever asked does the rest.

mod child_environment;
mod config;
mod error;
mod installation;
mod instance_home;
mod npm;
mod output;
mod port;
mod private_gateway;
mod progress;
mod readiness;

#[cfg_attr(target_os = "linux", path = "platform/linux.rs")]
#[cfg_attr(target_os = "macos", path = "platform/macos.rs")]
#[cfg_attr(windows, path = "platform/windows.rs")]
mod platform;

pub use error::{Error, InstallStep};
pub use installation::{Installation, NODE_MAJOR, OPENCLAW_VERSION};
pub use private_gateway::PrivateGateway;
pub use progress::Progress;
