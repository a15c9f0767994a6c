//! The client against the fake gateway, and against gateways that misbehave in ways that one does not.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why and stops"
)]

mod common;
mod events;
mod handshake;
mod liveness;
mod requests;
mod tls;
