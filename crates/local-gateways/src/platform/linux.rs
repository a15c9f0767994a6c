#[path = "unix.rs"]
mod unix;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

pub(crate) use unix::{
    NODE, ask_to_stop, create_private_file, create_private_folder, kill_with_descendants,
    restrict_file, run_in_background,
};

/// Ends process `pid` when it is a gateway with the state folder `state`; any other process is left alone.
pub(crate) async fn end_leftover(pid: u32, state: &Path) -> io::Result<()> {
    let state = state.to_owned();
    tokio::task::spawn_blocking(move || end_and_wait(pid, &state))
        .await
        .map_err(io::Error::other)?
}

fn end_and_wait(pid: u32, state: &Path) -> io::Result<()> {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    let process = match pidfd_open(raw, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // looked at after opening, so that what is looked at is what gets the signal
    match seen(pid, state) {
        Seen::Leftover => {}
        Seen::Other => return Ok(()),
        Seen::Ending => return ended(&process).map(drop),
    }
    tracing::warn!(pid, "ending a gateway left by a companion that was killed");
    for signal in [Signal::TERM, Signal::KILL] {
        match pidfd_send_signal(&process, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if ended(&process)? {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn ended(process: &OwnedFd) -> io::Result<bool> {
    let mut wanted = [PollFd::new(process, PollFlags::IN)];
    Ok(poll(&mut wanted, Some(&SIGNAL_LIMIT))? > 0)
}

enum Seen {
    Leftover,
    Other,
    /// Its memory is gone, its port perhaps not yet.
    Ending,
}

/// The gateway writes its title over its command line; the environment stays as it was given.
fn seen(pid: u32, state: &Path) -> Seen {
    let mut variable = OsString::from("OPENCLAW_STATE_DIR=");
    variable.push(state);
    match std::fs::read(format!("/proc/{pid}/environ")) {
        Ok(environment) if environment.is_empty() => Seen::Ending,
        Ok(environment) if holds(&environment, variable.as_bytes()) => Seen::Leftover,
        Ok(_) | Err(_) => Seen::Other,
    }
}

fn holds(environment: &[u8], variable: &[u8]) -> bool {
    environment
        .split(|&byte| byte == 0)
        .any(|entry| entry == variable)
}

const SIGNAL_LIMIT: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use tokio::process::{Child, Command};

    #[tokio::test]
    async fn ends_only_a_process_with_this_state() {
        let state = Path::new("/no/such/state");
        let mut ours = sleeping("/no/such/state", "exec sleep 60");
        let mut other = sleeping("/no/such/state/2", "exec sleep 60");

        end_leftover(other.id().unwrap(), state).await.unwrap();
        end_leftover(ours.id().unwrap(), state).await.unwrap();

        assert_eq!(ours.wait().await.unwrap().signal(), Some(15));
        assert_eq!(other.try_wait().unwrap(), None);
    }

    #[tokio::test]
    async fn kills_what_does_not_listen() {
        let state = Path::new("/no/such/state");
        let mut ours = sleeping(
            "/no/such/state",
            "trap '' TERM; echo ready; while :; do sleep 60 & wait; done",
        );
        let mut output = ours.stdout.take().unwrap();
        tokio::io::AsyncReadExt::read_exact(&mut output, &mut [0; 6])
            .await
            .unwrap();

        end_leftover(ours.id().unwrap(), state).await.unwrap();

        assert_eq!(ours.wait().await.unwrap().signal(), Some(9));
    }

    #[tokio::test]
    async fn a_process_that_is_gone_is_no_error() {
        let mut gone = sleeping("/no/such/state", "exit");
        let pid = gone.id().unwrap();
        gone.wait().await.unwrap();
        end_leftover(pid, Path::new("/no/such/state"))
            .await
            .unwrap();
        end_leftover(0, Path::new("/no/such/state")).await.unwrap();
        end_leftover(u32::MAX, Path::new("/no/such/state"))
            .await
            .unwrap();
    }

    fn sleeping(state: &str, script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script])
            .env("OPENCLAW_STATE_DIR", state)
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}
