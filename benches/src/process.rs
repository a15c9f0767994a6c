//! Processes that this program starts, and what they cost.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};

use crate::{fake_server::Line, platform};

const PATIENCE: Duration = Duration::from_secs(90);
const GENTLE: Duration = Duration::from_secs(10);

/// A started process; ended when dropped, with its children.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    program: String,
    started: SystemTime,
}

impl Process {
    /// Starts it, silent.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = SystemTime::now();
        let child = command
            .spawn()
            .with_context(|| format!("{:?} does not start", command.get_program()))?;
        Ok(Self {
            child,
            program: spelled(command),
            started,
        })
    }

    /// When it was spawned.
    pub(crate) fn started_unix_nanos(&self) -> Result<u64> {
        let since = self.started.duration_since(UNIX_EPOCH)?;
        Ok(u64::try_from(since.as_nanos())?)
    }

    /// Resident memory of the process and everything below it, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        tree(self.child.id())?.into_iter().map(resident_kib).sum()
    }

    /// Ends it gently and waits for it and those below it, so that they let go of their files and of the processor.
    pub(crate) fn end(mut self) -> Result<()> {
        let below: Vec<u32> = tree(self.child.id())?.into_iter().skip(1).collect();
        platform::ask_to_end(self.child.id())?;
        let until = Instant::now() + GENTLE;
        while self.child.try_wait()?.is_none() || below.iter().any(|pid| runs(*pid)) {
            if Instant::now() > until {
                bail!("{} does not end", self.program);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Fails when it ended by itself.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended early: {status}", self.program),
            None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let below = tree(self.child.id()).unwrap_or_default();
        // it may end at the same moment
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in below.into_iter().skip(1) {
            let _ = platform::ask_to_end(pid);
        }
    }
}

/// The fake server, running.
#[derive(Debug)]
pub(crate) struct FakeServer {
    child: Child,
    port: u16,
    lines: Receiver<Line>,
}

impl FakeServer {
    /// Starts it and waits for its port.
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("fake-server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("piped")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(line) = serde_json::from_str(&line) else {
                    return;
                };
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let Ok(Line::Listening { port }) = lines.recv_timeout(PATIENCE) else {
            bail!("the fake server does not start");
        };
        Ok(Self { child, port, lines })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Forgets the hellos so far.
    pub(crate) fn forget(&self) {
        while self.lines.try_recv().is_ok() {}
    }

    /// Waits for a hello to this role while the process runs; gives its time in nanoseconds since 1970.
    pub(crate) fn hello(&self, role: &str, process: &mut Process) -> Result<u64> {
        loop {
            let (greeted, unix_nanos) = self.next_hello(process)?;
            if greeted == role {
                return Ok(unix_nanos);
            }
        }
    }

    /// Waits for the next hello while the process runs; gives its role and its time in nanoseconds since 1970.
    pub(crate) fn next_hello(&self, process: &mut Process) -> Result<(String, u64)> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(Line::Hello { role, unix_nanos }) => return Ok((role, unix_nanos)),
                Ok(Line::Listening { .. }) => {}
                Err(RecvTimeoutError::Timeout) => process.still_runs()?,
                Err(RecvTimeoutError::Disconnected) => bail!("the fake server went away"),
            }
        }
        bail!("no hello within {PATIENCE:?}")
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and reads the one line of JSON that it prints.
pub(crate) fn answer<T: serde::de::DeserializeOwned>(command: &mut Command) -> Result<T> {
    let done = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{:?} does not start", command.get_program()))?;
    if !done.status.success() {
        bail!("{} ended with {}", spelled(command), done.status);
    }
    serde_json::from_slice(&done.stdout)
        .with_context(|| format!("{} printed no result", spelled(command)))
}

/// Program and arguments, without the environment.
fn spelled(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// This process and all below it.
fn tree(root: u32) -> Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("this needs Linux")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse() else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(
            children
                .get(pid)
                .into_iter()
                .flatten()
                .copied()
                .collect::<Vec<_>>(),
        );
        at += 1;
    }
    Ok(found)
}

/// `None` for a process that just ended.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.context("a process without memory")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_memory_of_a_process_and_those_below_it() {
        let mut one = Command::new("sleep");
        let one = Process::start(one.arg("60")).unwrap();
        let mut two = Command::new("sh");
        // the second command keeps the shell from becoming the first
        let two = Process::start(two.args(["-c", "sleep 60; true"])).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while tree(two.child.id()).unwrap().len() < 2 {
            assert!(Instant::now() < until, "the shell starts its child");
            thread::sleep(Duration::from_millis(10));
        }
        let alone = one.resident_kib().unwrap();
        assert!(alone > 100, "{alone} KiB");
        assert!(two.resident_kib().unwrap() > alone);

        let below = tree(two.child.id()).unwrap()[1];
        drop(two);
        while parent(below).is_some_and(|parent| parent != 1) {
            assert!(Instant::now() < until, "it ends with its parent");
            thread::sleep(Duration::from_millis(10));
        }
        one.end().unwrap();
    }
}
