//! Which processes belong to one companion.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt as _, path::Path, process::Command};

/// One running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The file name of its program.
    pub program: String,
}

/// Every process that was started with this data folder, the companion's children and theirs included.
#[must_use]
pub fn processes_of(home: &Path) -> Vec<Process> {
    let folders = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| process(pid, home)).collect()
}

impl Process {
    /// Ends it with SIGKILL; one that has ended already is fine.
    pub fn kill(&self) {
        let mut kill = Command::new("kill");
        let killed = kill.args(["-9", &self.pid.to_string()]).output();
        killed.expect("kill is installed");
    }
}

/// `None` for a process of somebody else, and for one that has just ended.
fn process(pid: u32, home: &Path) -> Option<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let environment = fs::read(folder.join("environ")).ok()?;
    let ours = environment.split(|byte| *byte == 0).any(|entry| {
        let value = entry.strip_prefix(b"CLAW_COMPANION_HOME=");
        value.is_some_and(|value| Path::new(&OsString::from_vec(value.to_vec())) == home)
    });
    let program = fs::read_link(folder.join("exe")).ok()?;
    let program = program.file_name()?.to_string_lossy().into_owned();
    ours.then_some(Process { pid, program })
}
