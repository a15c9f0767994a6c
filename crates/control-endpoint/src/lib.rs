//! The local control endpoint: MCP over HTTP on 127.0.0.1, and the client that the CLI uses.
//!
//! Touches loopback sockets and, in the data folder, `control.json` and `control-token`. It holds a
//! [`Companion`](companion_runtime::Companion) and maps tools to its commands; it decides nothing about gateways and
//! knows no other front door. [`serve`] checks every request before the MCP library sees it, and takes the arguments
//! of a tool call out first, because that library logs what it is given.

mod client;
mod discovery;
mod error;
mod gate;
mod message;
mod server;
mod token;
mod tools;

pub use client::{Client, ClientError, Refusal};
pub use error::Error;
pub use server::{DEFAULT_PORT, Endpoint, serve};
