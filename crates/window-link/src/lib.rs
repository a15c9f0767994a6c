//! The messages between the companion (parent) and its window (child), and their line codec.
//!
//! One message is one line of JSON: [`ToWindow`] on the child's stdin, [`FromWindow`] on its stdout. Touches nothing:
//! no pipes, no processes. It must not know how a command is performed or a snapshot shown.

mod line;
mod message;

pub use line::{Decoder, MAX_LINE, encode};
pub use message::{Answer, FromWindow, RawCommand, ToWindow};

/// Why a message could not be written or read. Never quotes the message, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message is larger than [`MAX_LINE`] bytes.
    #[error("a message between companion and window is too long")]
    TooLong,
    /// The line is not a message of this type.
    #[error("a message between companion and window cannot be read (line {line}, column {column})")]
    Unreadable {
        /// Line within the text, from 1; 0 if it is not known.
        line: usize,
        /// Column within that line, in bytes from 1; 0 if it is not known.
        column: usize,
    },
    /// The message cannot be put into JSON.
    #[error("a message between companion and window cannot be written")]
    Unwritable,
    /// What the window sent is not one of the core's commands.
    #[error("the window sent an unknown command")]
    UnknownCommand,
}
