//! Every decision of Claw Companion, as pure code.
//!
//! [`App::handle`] is told what happened ([`Input`]) and answers what to do next ([`Effect`]); [`App::snapshot`] is
//! everything that people and programs may see. Touches nothing: no sockets, files, clock, randomness, tasks. It
//! must not know how an effect is performed or who shows the snapshot.

pub mod app;
mod backoff;
pub mod command;
mod connection;
pub mod effect;
mod gateway;
pub mod ids;
pub mod input;
mod invokes;
pub mod problem;
mod reaction;
pub mod record;
mod setup;
pub mod snapshot;
mod surface;
pub mod time;
pub mod tray;

pub use app::{About, App};
pub use command::{Access, Command, Done};
pub use effect::{Credential, Dial, Effect, Notification, Query, Timer};
pub use ids::{CommandId, GatewayId, Socket};
pub use input::{Ended, Input, LocalGatewayReport, OpenFailure, StoredCredentials, VaultTrouble};
pub use invokes::InvokeId;
pub use problem::{Problem, ProblemCode, Remedy, RemedyAction, Severity};
pub use record::{GatewayRecord, Origin, Registry, Setup};
pub use snapshot::Snapshot;
pub use time::{Now, Timestamp};
