use std::io;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

/// Asks a child to end by itself. A child that has ended already is fine.
pub(crate) fn ask_to_end(child: &Child) -> io::Result<()> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    Ok(())
}
