use std::{io, time::Duration};

use rustix::{
    process::{Pid, Signal, kill_process},
    time::{ClockId, clock_gettime},
};

/// The processor time that this process has used, over all its threads.
pub(crate) fn process_cpu() -> io::Result<Duration> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).map_err(io::Error::other)
}

/// Asks a process to end by itself.
pub(crate) fn ask_to_end(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, Signal::TERM)?)
}
