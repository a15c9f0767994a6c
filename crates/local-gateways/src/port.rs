use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use crate::error::Error;

/// A loopback port for a new instance, with nothing on it nor on the one that its browser control will use.
pub(crate) fn choose() -> Result<u16, Error> {
    for _ in 0..ATTEMPTS {
        let random = getrandom::u32().map_err(Error::NoRandomness)?;
        let offset = u16::try_from(random % u32::from(LAST - FIRST + 1)).unwrap_or_default();
        let port = FIRST + offset;
        if is_free(port) && is_free(port + BROWSER_CONTROL) {
            return Ok(port);
        }
    }
    Err(Error::NoFreePort)
}

/// True when nothing listens there on either loopback address; the gateway takes both.
pub(crate) fn is_free(port: u16) -> bool {
    let v4 = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let v6 = TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), port));
    // a machine without IPv6 refuses the second for another reason
    v4.is_ok() && !v6.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Below every system's range for outgoing connections, so that none of them takes the port while the gateway is stopped.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;
const BROWSER_CONTROL: u16 = 2;
const ATTEMPTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_a_free_port_within_the_range() {
        for _ in 0..20 {
            let port = choose().unwrap();
            assert!((FIRST..=LAST).contains(&port), "{port}");
        }
    }

    #[test]
    fn sees_a_listener_on_either_address() {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let has_v6 = TcpListener::bind((v6, 0)).is_ok();
        for address in [Some(v4), has_v6.then_some(v6)].into_iter().flatten() {
            let listener = TcpListener::bind((address, choose().unwrap())).unwrap();
            let port = listener.local_addr().unwrap().port();
            assert!(!is_free(port), "{address}");
            drop(listener);
            assert!(is_free(port), "{address}");
        }
    }
}
