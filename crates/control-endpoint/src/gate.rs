//! Who may ask what. Cheap and blind checks come first, so that a caller without the token learns nothing.

use crate::{
    discovery::{MCP_PATH, authority},
    token::ControlToken,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, REFERER, WWW_AUTHENTICATE},
    request::Parts,
};
use std::net::IpAddr;

/// What an admitted request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A message of the protocol.
    Mcp,
    /// Does it answer?
    Health,
    /// Are all wanted connections up?
    Ready,
    /// Does the listener know the token? Holds the nonce.
    Challenge(String),
}

/// The status of a refused request, and the header that belongs to it. Never says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl From<StatusCode> for Refused {
    fn from(status: StatusCode) -> Self {
        Self {
            status,
            header: None,
        }
    }
}

/// Checks requests for one listener.
#[derive(Debug)]
pub(crate) struct Gate {
    hosts: [String; 3],
    authority: String,
    token: ControlToken,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const NONCE_LENGTH: usize = 64;

impl Gate {
    pub(crate) fn new(port: u16, token: ControlToken) -> Self {
        Self {
            hosts: [
                authority(port),
                format!("localhost:{port}"),
                format!("[::1]:{port}"),
            ],
            authority: authority(port),
            token,
        }
    }

    /// Lets a request in, up to its body.
    pub(crate) fn admit(&self, peer: IpAddr, request: &Parts) -> Result<Route, Refused> {
        if !peer.is_loopback() {
            return Err(StatusCode::FORBIDDEN.into());
        }
        self.check_host(request)?;
        check_no_browser(&request.headers)?;
        if let Some(open) = open_route(request)? {
            return Ok(open);
        }
        self.check_token(&request.headers)?;
        if request.uri.path() != MCP_PATH {
            return Err(StatusCode::NOT_FOUND.into());
        }
        check_method(&request.method, &Method::POST)?;
        check_media_type(&request.headers)?;
        check_accept(&request.headers)?;
        Ok(Route::Mcp)
    }

    /// What only this listener can answer to `nonce`.
    pub(crate) fn proof(&self, nonce: &str) -> String {
        self.token.proof(&self.authority, nonce)
    }

    fn check_host(&self, request: &Parts) -> Result<(), Refused> {
        let host = only(&request.headers, HOST).ok_or(StatusCode::BAD_REQUEST)?;
        let ours = |host: &[u8]| {
            let is = |ours: &String| ours.as_bytes().eq_ignore_ascii_case(host);
            self.hosts.iter().any(is)
        };
        let target = request.uri.authority();
        let target_ours = target.is_none_or(|target| ours(target.as_str().as_bytes()));
        if ours(host.as_bytes()) && target_ours {
            Ok(())
        } else {
            Err(StatusCode::FORBIDDEN.into())
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let offered = only(headers, AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked("Bearer ".len()))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        match offered {
            Some((_, token)) if self.token.matches(token) => Ok(()),
            Some(_) | None => Err(Refused {
                status: StatusCode::UNAUTHORIZED,
                header: Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            }),
        }
    }
}

/// A page in a browser always leaves one of these; no program of ours sends any.
fn check_no_browser(headers: &HeaderMap) -> Result<(), Refused> {
    let typed = |value: &HeaderValue| value.as_bytes() == b"none";
    let from_page = headers.contains_key(ORIGIN)
        || headers.contains_key(REFERER)
        || !headers.get_all(SEC_FETCH_SITE).iter().all(typed);
    if from_page {
        Err(StatusCode::FORBIDDEN.into())
    } else {
        Ok(())
    }
}

fn open_route(request: &Parts) -> Result<Option<Route>, Refused> {
    let route = match request.uri.path() {
        "/healthz" => Route::Health,
        "/readyz" => Route::Ready,
        "/challenge" => {
            check_method(&request.method, &Method::GET)?;
            let nonce = request
                .uri
                .query()
                .and_then(|query| query.strip_prefix("nonce="))
                .filter(|nonce| nonce.len() == NONCE_LENGTH)
                .filter(|nonce| nonce.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .ok_or(StatusCode::BAD_REQUEST)?;
            Route::Challenge(nonce.to_owned())
        }
        _ => return Ok(None),
    };
    check_method(&request.method, &Method::GET)?;
    Ok(Some(route))
}

fn check_method(method: &Method, only: &Method) -> Result<(), Refused> {
    if method == only {
        return Ok(());
    }
    Err(Refused {
        status: StatusCode::METHOD_NOT_ALLOWED,
        header: HeaderValue::from_str(only.as_str())
            .ok()
            .map(|allowed| (ALLOW, allowed)),
    })
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Refused> {
    let json = only(headers, CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| essence(value).eq_ignore_ascii_case("application/json"));
    if json {
        Ok(())
    } else {
        Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into())
    }
}

/// Answers are JSON; who says nothing about it takes what comes.
fn check_accept(headers: &HeaderMap) -> Result<(), Refused> {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    let silent = values.peek().is_none();
    let takes_json = |value: &HeaderValue| {
        let ranges = value.to_str().unwrap_or_default().split(',').map(essence);
        let json = ["application/json", "application/*", "*/*"];
        ranges.into_iter().any(|range| json.contains(&range))
    };
    if silent || values.any(takes_json) {
        Ok(())
    } else {
        Err(StatusCode::NOT_ACCEPTABLE.into())
    }
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The value of a header that must stand there exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}
