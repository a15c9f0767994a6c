//! The endpoint over real HTTP on loopback.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod client;
mod fixture;
mod hostile;
mod protocol;
