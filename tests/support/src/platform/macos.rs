#[path = "unix.rs"]
mod unix;

use std::io;

pub(crate) use unix::ask_to_end;

/// Nothing in the standard library tells here.
pub(crate) fn connections_to(_pid: u32, _port: u16) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
