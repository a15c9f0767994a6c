#[path = "unix.rs"]
mod unix;

use std::{collections::HashSet, fs, io, path::Path};

pub(crate) use unix::ask_to_end;

/// The state of a row in the kernel's tables.
const ESTABLISHED: &str = "01";

/// How many established TCP connections this process has whose other end is at `port`.
pub(crate) fn connections_to(pid: u32, port: u16) -> io::Result<usize> {
    let process = Path::new("/proc").join(pid.to_string());
    let mut sockets = HashSet::new();
    for open in fs::read_dir(process.join("fd"))? {
        // a file that was closed meanwhile has no target
        let Ok(target) = fs::read_link(open?.path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[");
        sockets.extend(inode.map(|inode| inode.trim_end_matches(']').to_owned()));
    }
    let mut tables = fs::read_to_string(process.join("net/tcp"))?;
    // absent without IPv6
    tables += &fs::read_to_string(process.join("net/tcp6")).unwrap_or_default();
    let port = format!(":{port:04X}");
    let is_ours = |row: &&str| {
        let columns: Vec<_> = row.split_whitespace().collect();
        let [_, _, remote, state, _, _, _, _, _, inode, ..] = columns[..] else {
            return false;
        };
        remote.ends_with(&port) && state == ESTABLISHED && sockets.contains(inode)
    };
    Ok(tables.lines().filter(is_ours).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn counts_open_connections_by_their_other_end() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let address = listener.local_addr().expect("bound");
            let count =
                || connections_to(std::process::id(), address.port()).expect("readable tables");
            assert_eq!(count(), 0);
            let clients = [(); 3].map(|()| TcpStream::connect(address).expect("accepted"));
            assert_eq!(count(), 3);
            drop(clients);
            assert_eq!(count(), 0);
        }
    }
}
