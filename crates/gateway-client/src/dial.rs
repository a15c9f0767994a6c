//! What a connection needs to be made, and the way to the gateway's TCP port.

use crate::{SeenNonces, error::ConnectError};
use futures_util::{StreamExt, stream::FuturesUnordered};
use gateway_protocol::{
    Connect, DeviceIdentity, Endpoint, Fingerprint, HostClass, SignatureVersion, endpoint::classify,
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};

/// One attempt to connect one role of one device to one gateway.
#[derive(Debug)]
pub struct Dial {
    /// Where.
    pub endpoint: Endpoint,
    /// The certificate that the gateway must show; needs `wss://`.
    pub pin: Option<Fingerprint>,
    /// Who signs.
    pub identity: DeviceIdentity,
    /// What to say, with the one credential to send.
    pub connect: Connect,
    /// Which signature to send.
    pub signature: SignatureVersion,
    /// How long everything may take.
    pub limits: Limits,
    /// A clone of the process's one set.
    pub nonces: SeenNonces,
}

/// How long everything may take, and how many events may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All of the handshake, whatever the limits of its steps.
    pub handshake: Duration,
    /// Name, TCP, TLS and upgrade together.
    pub reach: Duration,
    /// From the upgrade to the challenge.
    pub challenge: Duration,
    /// From our `connect` to its answer.
    pub hello: Duration,
    /// Deadline of a request that names none.
    pub request: Duration,
    /// After this long without a byte from the gateway it is pinged; after 2 s when a request waits.
    pub quiet: Duration,
    /// After a ping, this long without a byte ends the connection; 3 s when a request waits.
    pub pong: Duration,
    /// How many events may wait for [`crate::Incoming::next`] before reading from the gateway pauses.
    pub events: usize,
}

impl Limits {
    /// The usual limits for a gateway that far away.
    pub fn for_host(class: HostClass) -> Self {
        let handshake = match class {
            HostClass::Loopback => Duration::from_secs(10),
            HostClass::Private | HostClass::Public => Duration::from_secs(15),
        };
        Self {
            handshake,
            reach: handshake,
            challenge: handshake,
            hello: handshake,
            request: Duration::from_secs(30),
            quiet: Duration::from_secs(10),
            pong: Duration::from_secs(5),
            events: 1024,
        }
    }
}

/// A further address is tried when the one before failed, or after this long.
const STAGGER: Duration = Duration::from_millis(250);
/// More addresses than any gateway has.
const MAX_ADDRESSES: usize = 16;

/// The addresses to dial, in that order: all that the host has, checked once; nobody looks the name up again.
pub(crate) async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, ConnectError> {
    let (host, port) = (endpoint.host(), endpoint.port());
    let addresses: Vec<IpAddr> = if let Ok(address) = host.parse() {
        vec![address]
    } else if host == "localhost" {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        lookup_host((host.as_str(), port))
            .await
            .map_err(ConnectError::Resolve)?
            .map(|address| address.ip())
            .collect()
    };
    if addresses.is_empty() {
        return Err(ConnectError::Resolve(io::ErrorKind::NotFound.into()));
    }
    if !endpoint.is_encrypted() && !is_plain_text_allowed(endpoint.host_class(), &addresses) {
        return Err(ConnectError::PlainTextForbidden);
    }
    Ok(alternating(addresses)
        .map(|address| SocketAddr::new(address, port))
        .collect())
}

/// Connects to the first address that answers.
pub(crate) async fn first_to_answer(addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
    let mut untried = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure: Option<io::Error> = None;
    loop {
        if let Some(address) = untried.next() {
            attempts.push(TcpStream::connect(address));
        }
        let answered = tokio::select! {
            answered = attempts.next() => answered,
            () = sleep(STAGGER), if untried.len() > 0 => continue,
        };
        match answered {
            Some(Ok(tcp)) => {
                // small frames must not wait for each other
                tcp.set_nodelay(true).map_err(ConnectError::Unreachable)?;
                return Ok(tcp);
            }
            Some(Err(error)) => {
                let says_more = error.kind() == io::ErrorKind::ConnectionRefused;
                if failure.is_none() || says_more {
                    failure = Some(error);
                }
            }
            None => {
                let error = failure.unwrap_or_else(|| io::ErrorKind::NotFound.into());
                return Err(if error.kind() == io::ErrorKind::ConnectionRefused {
                    ConnectError::Refused
                } else {
                    ConnectError::Unreachable(error)
                });
            }
        }
    }
}

/// A name may lead to where it says or nearer, never farther, and never out of the private network.
fn is_plain_text_allowed(claimed: HostClass, addresses: &[IpAddr]) -> bool {
    claimed < HostClass::Public
        && addresses
            .iter()
            .all(|address| classify(*address) <= claimed)
}

/// The resolver's order, but both address families in turn, so that one that leads nowhere costs one stagger.
fn alternating(addresses: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let is_first_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == is_first_v6);
    let longer = preferred.len().max(other.len());
    (0..longer)
        .flat_map(move |index| [preferred.get(index).copied(), other.get(index).copied()])
        .flatten()
        .take(MAX_ADDRESSES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn plain_text_never_goes_farther_than_the_name_says() {
        use HostClass::{Loopback, Private, Public};
        for (claimed, addresses, allowed) in [
            (Loopback, &["127.0.0.1", "::1"][..], true),
            (Loopback, &["127.0.0.1", "192.168.1.5"], false),
            (Private, &["192.168.1.5", "fd00::1"], true),
            (Private, &["127.0.0.1"], true),
            (Private, &["192.168.1.5", "93.184.215.14"], false),
            (Private, &["::ffff:8.8.8.8"], false),
            (Public, &["127.0.0.1"], false),
        ] {
            let addresses: Vec<IpAddr> = addresses
                .iter()
                .map(|text| text.parse().expect("an address"))
                .collect();
            assert_eq!(
                is_plain_text_allowed(claimed, &addresses),
                allowed,
                "{claimed:?} {addresses:?}"
            );
        }
    }

    #[test]
    fn both_families_get_their_turn() {
        let order: Vec<String> = alternating(
            ["2001:db8::1", "2001:db8::2", "192.0.2.1"]
                .map(|text| text.parse().expect("an address"))
                .into(),
        )
        .map(|address| address.to_string())
        .collect();
        assert_eq!(order, ["2001:db8::1", "192.0.2.1", "2001:db8::2"]);
    }

    #[tokio::test]
    async fn localhost_is_both_loopback_addresses() {
        let endpoint = Endpoint::parse("ws://localhost:18789").expect("an endpoint");
        let addresses = resolve(&endpoint).await.expect("resolves");
        assert_eq!(
            addresses,
            [
                "127.0.0.1:18789".parse().expect("an address"),
                "[::1]:18789".parse().expect("an address")
            ]
        );
    }

    #[tokio::test]
    async fn an_address_that_answers_is_found_behind_ones_that_do_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let open = listener.local_addr().expect("an address");
        let closed = unused_address().await;
        // a documentation address: never answered, or refused by a machine without a route
        let dead = "192.0.2.1:9".parse().expect("an address");
        let tcp = first_to_answer(vec![dead, closed, open])
            .await
            .expect("connects");
        assert_eq!(tcp.peer_addr().expect("a peer"), open);
        assert!(tcp.nodelay().expect("readable"));
    }

    #[tokio::test]
    async fn refused_everywhere_is_said_so() {
        let closed = unused_address().await;
        let error = first_to_answer(vec![closed, closed]).await.err();
        assert!(matches!(error, Some(ConnectError::Refused)), "{error:?}");
    }

    async fn unused_address() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        listener.local_addr().expect("an address")
    }
}
