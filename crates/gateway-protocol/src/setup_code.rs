//! A setup code: base64url of JSON with the gateway's address and a bootstrap token.

use crate::{
    endpoint::{Endpoint, EndpointError, Fingerprint},
    secret::BootstrapToken,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// What a setup code says. It does not say its profile: full, limited and node look alike.
#[derive(Debug, Clone)]
pub struct SetupCode {
    /// One to eight addresses of the same gateway, in the order to try.
    pub endpoints: Vec<Endpoint>,
    /// Redeems each role of the profile once, for one device.
    pub bootstrap_token: BootstrapToken,
    /// Milliseconds since 1970; old gateways leave it out.
    pub expires_at_ms: Option<u64>,
    /// Pin of the gateway's certificate.
    pub tls_fingerprint: Option<Fingerprint>,
}

/// Why a text is not a usable setup code. No variant holds any of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupCodeError {
    /// Nothing was given.
    #[error("there is no setup code in it")]
    Empty,
    /// Longer than any setup code.
    #[error("the text is too long for a setup code")]
    TooLong,
    /// Characters that no setup code has.
    #[error("the text has characters that no setup code has")]
    Characters,
    /// Base64 that ends too early, or is no base64.
    #[error("the setup code is damaged or cut off")]
    Damaged,
    /// Readable, but not what a gateway writes.
    #[error("the text can be read, but it is not a setup code")]
    NotASetupCode,
    /// More than eight addresses.
    #[error("the setup code names too many addresses")]
    TooManyAddresses,
    /// An address is refused.
    #[error("the gateway address in the setup code is refused: {0}")]
    Address(#[source] EndpointError),
    /// The fingerprint cannot be read, or stands beside an address without TLS.
    #[error("the certificate fingerprint in the setup code cannot be used")]
    Fingerprint,
}

const MAX_CODE: usize = 2048;
const MAX_TOKEN: usize = 512;
const MAX_ENDPOINTS: usize = 8;
const MAX_DEPTH: usize = 8;
const LINK_SCHEME: &str = "oc-pair://";

impl SetupCode {
    /// Reads a bare code or an `oc-pair://` link, with white space around it. Constant memory, whatever is pasted.
    ///
    /// # Errors
    /// [`SetupCodeError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SetupCodeError> {
        let text = text.trim();
        let code = match text.get(..LINK_SCHEME.len()) {
            Some(start) if start.eq_ignore_ascii_case(LINK_SCHEME) => {
                text[LINK_SCHEME.len()..].trim_end_matches('/')
            }
            Some(_) | None => text,
        };
        if code.is_empty() {
            return Err(SetupCodeError::Empty);
        }
        if code.len() > MAX_CODE {
            return Err(SetupCodeError::TooLong);
        }
        if !code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            return Err(SetupCodeError::Characters);
        }
        let json = URL_SAFE_NO_PAD
            .decode(code)
            .map_err(|_| SetupCodeError::Damaged)?;
        if !json.starts_with(b"{") {
            return Err(SetupCodeError::NotASetupCode);
        }
        if depth(&json) > MAX_DEPTH {
            return Err(SetupCodeError::NotASetupCode);
        }
        let wire: Wire = serde_json::from_slice(&json).map_err(|error| {
            if error.is_eof() {
                SetupCodeError::Damaged
            } else {
                SetupCodeError::NotASetupCode
            }
        })?;
        wire.check()
    }

    /// The address to try first.
    pub fn endpoint(&self) -> &Endpoint {
        // `parse` is the only constructor besides literal construction and always stores one
        &self.endpoints[0]
    }

    /// Is it past its end at this time (milliseconds since 1970)?
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|end| end <= now_ms)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    url: String,
    #[serde(default)]
    urls: Option<Vec<String>>,
    bootstrap_token: BootstrapToken,
    #[serde(default)]
    expires_at_ms: Option<u64>,
    #[serde(default)]
    tls_fingerprint: Option<String>,
}

impl Wire {
    fn check(self) -> Result<SetupCode, SetupCodeError> {
        let token = self.bootstrap_token.expose();
        if token.is_empty()
            || token.len() > MAX_TOKEN
            || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(SetupCodeError::NotASetupCode);
        }
        let others = self.urls.unwrap_or_default();
        if others.len() > MAX_ENDPOINTS {
            return Err(SetupCodeError::TooManyAddresses);
        }
        let mut endpoints = vec![Endpoint::parse(&self.url).map_err(SetupCodeError::Address)?];
        for other in &others {
            let endpoint = Endpoint::parse(other).map_err(SetupCodeError::Address)?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        let tls_fingerprint = match self.tls_fingerprint {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| SetupCodeError::Fingerprint)?),
        };
        if tls_fingerprint.is_some() && endpoints.iter().any(|endpoint| !endpoint.is_encrypted()) {
            return Err(SetupCodeError::Fingerprint);
        }
        Ok(SetupCode {
            endpoints,
            bootstrap_token: self.bootstrap_token,
            expires_at_ms: self.expires_at_ms,
            tls_fingerprint,
        })
    }
}

/// Deepest nesting of brackets outside of strings.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut open, mut in_string, mut escaped) = (0, 0_usize, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                open += 1;
                deepest = deepest.max(open);
            }
            (false, b'}' | b']') => open = open.saturating_sub(1),
            (true | false, _) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn reads_what_a_gateway_writes() {
        let code = encode(
            &json!({"url": "ws://127.0.0.1:19101", "bootstrapToken": "roVskwIf", "expiresAtMs": 5}),
        );
        for text in [
            code.clone(),
            format!("  {code}\n"),
            format!("oc-pair://{code}"),
            format!("OC-PAIR://{code}/"),
        ] {
            let read = SetupCode::parse(&text).expect("parses");
            assert_eq!(read.endpoint().as_str(), "ws://127.0.0.1:19101/");
            assert_eq!(read.bootstrap_token.expose(), "roVskwIf");
            assert!(read.is_expired(5) && !read.is_expired(4));
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_text() {
        let good = encode(&json!({"url": "ws://127.0.0.1:19101", "bootstrapToken": "roVskwIf"}));
        let deep = format!("{{\"url\":{}{}}}", "[".repeat(20), "]".repeat(20));
        for (text, reason) in [
            (String::new(), SetupCodeError::Empty),
            ("oc-pair://".to_owned(), SetupCodeError::Empty),
            ("A".repeat(10_000_000), SetupCodeError::TooLong),
            ("two words".to_owned(), SetupCodeError::Characters),
            (good[..good.len() - 9].to_owned(), SetupCodeError::Damaged),
            ("hello".to_owned(), SetupCodeError::Damaged),
            (URL_SAFE_NO_PAD.encode("[1]"), SetupCodeError::NotASetupCode),
            (URL_SAFE_NO_PAD.encode(&deep), SetupCodeError::NotASetupCode),
            (
                encode(&json!({"url": 7, "bootstrapToken": "x"})),
                SetupCodeError::NotASetupCode,
            ),
            (
                encode(&json!({"url": "ws://127.0.0.1:19101"})),
                SetupCodeError::NotASetupCode,
            ),
            (
                encode(&json!({"url": "ws://127.0.0.1:19101", "bootstrapToken": ""})),
                SetupCodeError::NotASetupCode,
            ),
            (
                encode(&json!({"url": "http://127.0.0.1", "bootstrapToken": "x"})),
                SetupCodeError::Address(EndpointError::Scheme),
            ),
            (
                encode(
                    &json!({"url": "ws://127.0.0.1:19101", "urls": vec!["wss://h"; 9], "bootstrapToken": "x"}),
                ),
                SetupCodeError::TooManyAddresses,
            ),
            (
                encode(
                    &json!({"url": "ws://127.0.0.1:19101", "bootstrapToken": "x", "tlsFingerprint": "ab".repeat(32)}),
                ),
                SetupCodeError::Fingerprint,
            ),
        ] {
            let shown: String = text.chars().take(40).collect();
            assert_eq!(SetupCode::parse(&text).err(), Some(reason), "{shown}");
        }
    }

    #[test]
    fn fallback_addresses_follow_the_first_without_repeats() {
        let code = encode(&json!({
            "url": "wss://a.example", "urls": ["wss://a.example", "wss://b.example"],
            "bootstrapToken": "x", "tlsFingerprint": "ab".repeat(32)
        }));
        let read = SetupCode::parse(&code).expect("parses");
        let hosts: Vec<_> = read.endpoints.iter().map(Endpoint::host).collect();
        assert_eq!(hosts, ["a.example", "b.example"]);
        assert!(read.tls_fingerprint.is_some());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,400}") {
            let _ = SetupCode::parse(&text);
            let _ = SetupCode::parse(&URL_SAFE_NO_PAD.encode(&text));
        }
    }

    fn encode(value: &serde_json::Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }
}
