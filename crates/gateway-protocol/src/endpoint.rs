//! Where a gateway is. Judged parsed, never by text.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};
use url::{Host, Url};

/// The address of a gateway's WebSocket: `ws://` or `wss://`, with no credentials, query or fragment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    url: Url,
}

/// How far away a host is, for timing and for whether plain text may travel there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostClass {
    /// This computer.
    Loopback,
    /// A private range or name: RFC 1918, link-local, CGNAT, `.local`, `.ts.net`.
    Private,
    /// Everything else.
    Public,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not `ws://` or `wss://`.
    #[error("the address does not begin with ws:// or wss://")]
    Scheme,
    /// Cannot be read as an address.
    #[error("the address cannot be read")]
    Unreadable,
    /// Longer than any address needs.
    #[error("the address is too long")]
    TooLong,
    /// Control characters, white space, backslashes or percent signs in the host.
    #[error("the address has characters that do not belong in one")]
    Characters,
    /// A name with letters beyond ASCII could imitate another.
    #[error("the host name has letters beyond a to z; write it in its xn-- form")]
    Letters,
    /// `user:password@`.
    #[error("the address holds a user name or password")]
    UserInfo,
    /// `?` or `#`.
    #[error("the address has a query or fragment")]
    QueryOrFragment,
    /// `..` in the path.
    #[error("the address has a path that steps upwards")]
    Path,
    /// `0.0.0.0`, `::`, or a metadata service of a cloud.
    #[error("no gateway can be at this address")]
    ForbiddenHost,
    /// Zero, or a port of another well-known service.
    #[error("no gateway can be on this port")]
    ForbiddenPort,
    /// `ws://` to a public host.
    #[error(
        "the connection would not be encrypted; an address outside your own network needs wss://"
    )]
    PlainText,
}

const MAX_LENGTH: usize = 1024;
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// Services that a browser never talks to either (WHATWG fetch, "bad port"), plus a database or two.
const FORBIDDEN_PORTS: [u16; 38] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 87, 95, 101, 110,
    111, 113, 119, 123, 135, 137, 139, 143, 161, 389, 465, 587, 3306, 6379,
];

impl Endpoint {
    /// Reads a gateway address as setup codes hold it.
    ///
    /// # Errors
    /// The first reason why it is refused.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.len() > MAX_LENGTH {
            return Err(EndpointError::TooLong);
        }
        if text
            .chars()
            .any(|c| c.is_ascii_control() || c.is_whitespace() || c == '\\')
        {
            return Err(EndpointError::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("ws") && !scheme.eq_ignore_ascii_case("wss") {
            return Err(EndpointError::Scheme);
        }
        if rest.contains(['?', '#']) {
            return Err(EndpointError::QueryOrFragment);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        if authority.contains('%') {
            return Err(EndpointError::Characters);
        }
        if !authority.is_ascii() {
            return Err(EndpointError::Letters);
        }
        if path.split('/').any(|segment| {
            matches!(
                segment.to_ascii_lowercase().as_str(),
                ".." | "%2e%2e" | ".%2e" | "%2e."
            )
        }) {
            return Err(EndpointError::Path);
        }
        let url = Url::parse(text).map_err(|_| EndpointError::Unreadable)?;
        let endpoint = Self { url };
        endpoint.check_host()?;
        if FORBIDDEN_PORTS.contains(&endpoint.port()) {
            return Err(EndpointError::ForbiddenPort);
        }
        if !endpoint.is_encrypted() && endpoint.host_class() == HostClass::Public {
            return Err(EndpointError::PlainText);
        }
        Ok(endpoint)
    }

    /// Reads what a person typed as an address: also `http(s)://`, which means `ws(s)://` here.
    ///
    /// # Errors
    /// The first reason why it is refused.
    pub fn parse_typed(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let mapped = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws://{rest}"),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => format!("wss://{rest}"),
            Some(_) | None => text.to_owned(),
        };
        Self::parse(&mapped)
    }

    /// Does TLS protect it?
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host as it is shown and looked up; IPv6 without brackets.
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    /// The port, also when the address leaves it out.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(0)
    }

    /// The whole address in its normal form.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// How far away the host is, by its name or literal address alone.
    pub fn host_class(&self) -> HostClass {
        match self.url.host() {
            Some(Host::Domain("localhost")) => HostClass::Loopback,
            Some(Host::Domain(name)) if name.ends_with(".local") || name.ends_with(".ts.net") => {
                HostClass::Private
            }
            Some(Host::Domain(_)) | None => HostClass::Public,
            Some(Host::Ipv4(address)) => classify(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => classify(IpAddr::V6(address)),
        }
    }

    /// Do both mean the same gateway? The spellings of loopback are one host.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let same_host = self.host() == other.host()
            || (self.host_class() == HostClass::Loopback
                && other.host_class() == HostClass::Loopback);
        same_host
            && self.url.scheme() == other.url.scheme()
            && self.port() == other.port()
            && self.url.path() == other.url.path()
    }

    fn check_host(&self) -> Result<(), EndpointError> {
        let forbidden = match self.url.host() {
            None => true,
            Some(Host::Domain(name)) => name.is_empty() || name == "metadata.google.internal",
            Some(Host::Ipv4(address)) => address.is_unspecified() || address == METADATA_V4,
            Some(Host::Ipv6(address)) => {
                address.is_unspecified()
                    || address == METADATA_V6
                    || address
                        .to_ipv4_mapped()
                        .is_some_and(|v4| v4.is_unspecified() || v4 == METADATA_V4)
            }
        };
        if forbidden {
            Err(EndpointError::ForbiddenHost)
        } else {
            Ok(())
        }
    }
}

/// How far away an address is. Used again on what a name resolves to, before plain text is sent there.
pub fn classify(address: IpAddr) -> HostClass {
    let private_v4 = |v4: Ipv4Addr| {
        let [a, b, ..] = v4.octets();
        v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
    };
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => HostClass::Loopback,
        IpAddr::V4(v4) if private_v4(v4) => HostClass::Private,
        IpAddr::V4(_) => HostClass::Public,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => classify(IpAddr::V4(v4)),
            None if v6.is_loopback() => HostClass::Loopback,
            None if v6.is_unique_local() || v6.is_unicast_link_local() => HostClass::Private,
            None => HostClass::Public,
        },
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.url)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::parse(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.url.into()
    }
}

/// SHA-256 of a gateway's leaf certificate: the pin that a setup code may carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes the digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The text is not 32 bytes of hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate fingerprint is not 64 hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Upper or lower case, with or without colons, with or without a leading `sha256:`.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix("sha256:").unwrap_or(&text);
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect::<Option<_>>()
            .ok_or(FingerprintError)?;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect();
        if digits.len() != 64 {
            return Err(FingerprintError);
        }
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EndpointError as E;

    #[test]
    fn refuses_what_is_no_gateway_address_by_name() {
        for (text, reason) in [
            ("ws://user:pw@host", E::UserInfo),
            ("ws://127.0.0.1:18789@evil.example", E::UserInfo),
            ("http://127.0.0.1", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("javascript:alert(1)", E::Scheme),
            ("WS+EVIL://host", E::Scheme),
            ("wss:evil", E::Scheme),
            ("wss://host/#x", E::QueryOrFragment),
            ("wss://host/?x", E::QueryOrFragment),
            ("wss://host/a/../b", E::Path),
            ("wss://host/%2e%2e/b", E::Path),
            ("ws:\\\\evil", E::Characters),
            ("wss://ho\nst", E::Characters),
            ("wss://ho\0st", E::Characters),
            ("ws://%31%32%37.0.0.1", E::Characters),
            ("wss://gat\u{435}way.example", E::Letters),
            ("ws://0.0.0.0:1", E::ForbiddenHost),
            ("ws://[::]:18789", E::ForbiddenHost),
            ("ws://169.254.169.254", E::ForbiddenHost),
            ("ws://[::ffff:169.254.169.254]:80", E::ForbiddenHost),
            ("wss://metadata.google.internal", E::ForbiddenHost),
            ("wss://[fd00:ec2::254]", E::ForbiddenHost),
            ("wss://host:0", E::ForbiddenPort),
            ("wss://host:22", E::ForbiddenPort),
            ("wss://host:6379", E::ForbiddenPort),
            ("wss://host:65536", E::Unreadable),
            ("ws://gateway.example", E::PlainText),
            ("ws://127.evil.com:18789", E::PlainText),
            ("ws://localhost.evil.com", E::PlainText),
            ("ws://localhost.", E::PlainText),
            ("ws://127.0.0.1.nip.io", E::PlainText),
        ] {
            assert_eq!(Endpoint::parse(text), Err(reason), "{text:?}");
        }
        assert_eq!(
            Endpoint::parse(&format!("wss://{}", "a".repeat(5000))),
            Err(E::TooLong)
        );
    }

    #[test]
    fn odd_spellings_of_loopback_are_shown_as_what_they_are() {
        for text in [
            "ws://127.1:18789",
            "ws://2130706433:18789",
            "ws://0x7f000001:18789",
            "ws://0177.0.0.1:18789",
        ] {
            let endpoint = Endpoint::parse(text).expect("parses");
            assert_eq!(
                (endpoint.host().as_str(), endpoint.host_class()),
                ("127.0.0.1", HostClass::Loopback),
                "{text}"
            );
        }
        assert_eq!(
            Endpoint::parse("ws://[::ffff:7f00:1]:18789")
                .expect("parses")
                .host_class(),
            HostClass::Loopback
        );
    }

    #[test]
    fn the_spellings_of_loopback_are_one_place() {
        let [a, b, c] = [
            "ws://localhost:18789",
            "ws://127.0.0.1:18789/",
            "ws://[::1]:18789",
        ]
        .map(|text| Endpoint::parse(text).expect("parses"));
        assert!(a.is_same_place(&b) && b.is_same_place(&c));
        let other_port = Endpoint::parse("ws://localhost:18790").expect("parses");
        let other_path = Endpoint::parse("ws://localhost:18789/gw").expect("parses");
        assert!(!a.is_same_place(&other_port) && !a.is_same_place(&other_path));
    }

    #[test]
    fn plain_text_may_travel_in_private_ranges() {
        for text in [
            "ws://192.168.1.5",
            "ws://10.0.0.1",
            "ws://100.64.0.1",
            "ws://box.local",
            "ws://box.tail.ts.net",
        ] {
            assert_eq!(
                Endpoint::parse(text).expect("parses").host_class(),
                HostClass::Private,
                "{text}"
            );
        }
    }

    #[test]
    fn a_typed_web_address_means_the_socket_there() {
        assert_eq!(
            Endpoint::parse_typed(" https://host/gw ")
                .expect("parses")
                .as_str(),
            "wss://host/gw"
        );
        assert_eq!(
            Endpoint::parse_typed("http://127.0.0.1:18789")
                .expect("parses")
                .as_str(),
            "ws://127.0.0.1:18789/"
        );
    }

    #[test]
    fn a_fingerprint_reads_in_its_usual_forms() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [plain.clone(), colons, format!("sha256:{plain}")] {
            assert_eq!(
                text.parse::<Fingerprint>().expect("parses").to_string(),
                plain
            );
        }
        assert!("abc".parse::<Fingerprint>().is_err());
        assert!("é".repeat(32).parse::<Fingerprint>().is_err());
    }
}
