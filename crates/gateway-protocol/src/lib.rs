//! The words of the gateway's wire (protocol 4): frames, roles, scopes, `connect`, hello, errors, setup codes,
//! device identity and secret types.
//!
//! Touches nothing: no sockets, files, clock or randomness. It knows what is said on the wire, not when to say it
//! or what to do about an answer. Lenient in (unknown fields and events are ignored), exact out (requests are
//! closed objects at the gateway).

pub mod connect;
pub mod endpoint;
pub mod error;
pub mod frame;
pub mod hello;
pub mod identity;
pub mod node;
pub mod scope;
pub mod secret;
pub mod setup_code;

pub use connect::{
    Auth, Challenge, ClientId, ClientInfo, ClientMode, Connect, Role, SignedConnect,
};
pub use endpoint::{Endpoint, EndpointError, Fingerprint, HostClass};
pub use error::{DetailCode, ErrorDetails, GatewayError, PairingReason};
pub use frame::{Event, Frame, FrameError, Request, Response};
pub use hello::{HelloAuth, HelloOk, IssuedToken, Policy, Server};
pub use identity::{DeviceId, DeviceIdentity, IdentitySeed, SignatureVersion};
pub use scope::{Scope, Scopes};
pub use secret::{BootstrapToken, DeviceToken, SharedToken};
pub use setup_code::{SetupCode, SetupCodeError};

/// The protocol version that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 4;
