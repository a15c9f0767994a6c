//! What integration tests share: a scripted gateway, the pinned real gateway, a throw-away desktop.
//!
//! May touch sockets, child processes and temporary directories. Must not know any crate under test except
//! `local-gateways`, whose installation of the real gateway it reuses. Everything here panics when the test cannot go on.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why and stops"
)]

mod companion;
mod desktop;
mod fake_gateway;
mod platform;
mod real_gateway;

pub use companion::{Companion, Ended, program};
pub use desktop::{Desktop, DesktopOptions, FakeNotifications, NotificationDaemon, Tray};
pub use fake_gateway::{Answer, Closed, FakeGateway, FakeGatewayBuilder, Reply, Request, payloads};
pub use real_gateway::{
    Programs, Proxy, RealGateway, RealGatewayBuilder, cache_directory, npm_packages,
};
