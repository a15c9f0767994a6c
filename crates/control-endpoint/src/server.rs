//! The listener on 127.0.0.1.

use crate::{
    discovery::{ControlFile, MCP_PATH, authority},
    error::Error,
    gate::{Gate, Refused, Route},
    message::{self, BadMessage, MAX_BODY},
    token::ControlToken,
    tools::Tools,
};
use companion_core::snapshot::Overall;
use companion_runtime::Companion;
use companion_store::DataDir;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{
        ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING,
        X_CONTENT_TYPE_OPTIONS,
    },
    request::Parts,
};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Tried first, unless another is asked for.
pub const DEFAULT_PORT: u16 = 8765;

const MAX_CONNECTIONS: usize = 256;
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 32 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a request may still take when the endpoint closes.
const GRACE: Duration = Duration::from_secs(2);
/// When the system has no room for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// An open endpoint. Dropping it closes the listener; [`Endpoint::shutdown`] also tidies up.
pub struct Endpoint {
    url: String,
    dir: DataDir,
    closing: CancellationToken,
    listening: JoinHandle<()>,
}

/// Opens the endpoint on 127.0.0.1 at `port` ([`DEFAULT_PORT`] if absent), or at any free port if that one is taken, and
/// writes `control.json` into the data folder, which the caller must hold the lock of.
///
/// # Errors
/// [`Error`]; nothing listens then.
pub async fn serve(
    companion: Companion,
    dir: &DataDir,
    port: Option<u16>,
) -> Result<Endpoint, Error> {
    let place = dir.clone();
    let token = blocking(move || ControlToken::load_or_make(&place)).await?;
    let listener = bind(port.unwrap_or(DEFAULT_PORT)).await?;
    let port = listener.local_addr().map_err(Error::Listen)?.port();
    let closing = CancellationToken::new();
    let server = Arc::new(Server::new(companion, port, token, closing.clone()));
    let endpoint = Endpoint {
        url: format!("http://{}{MCP_PATH}", authority(port)),
        dir: dir.clone(),
        listening: tokio::spawn(server.accept(listener)),
        closing,
    };
    let place = dir.clone();
    blocking(move || ControlFile::new(port, &place).write(&place)).await?;
    tracing::info!(url = endpoint.url, "control endpoint is open");
    Ok(endpoint)
}

impl Endpoint {
    /// Where it listens: `http://127.0.0.1:PORT/mcp`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Removes `control.json`, ends every wait, lets requests under way finish for up to two seconds, and closes.
    pub async fn shutdown(mut self) {
        let dir = self.dir.clone();
        let removed = spawn_blocking(move || ControlFile::remove(&dir)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!("control.json could not be removed");
        }
        self.closing.cancel();
        if (&mut self.listening).await.is_err() {
            tracing::error!("control endpoint ended early");
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or(Err(Error::Ending))
}

async fn bind(port: u16) -> Result<TcpListener, Error> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::Listen),
    }
}

struct Server {
    companion: Companion,
    gate: Gate,
    mcp: StreamableHttpService<Tools, NeverSessionManager>,
    closing: CancellationToken,
}

impl Server {
    fn new(
        companion: Companion,
        port: u16,
        token: ControlToken,
        closing: CancellationToken,
    ) -> Self {
        let tools = Tools {
            companion: companion.clone(),
            closing: closing.clone(),
        };
        // both eras of the protocol without sessions: nothing is kept between two requests
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .enforce_origin_validation()
            .with_max_request_body_bytes(MAX_BODY);
        Self {
            companion,
            gate: Gate::new(port, token),
            mcp: StreamableHttpService::new(move || Ok(tools.clone()), Arc::default(), config),
            closing,
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.closing.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, peer)) => {
                            connections.spawn(Arc::clone(&self).serve(stream, peer.ip()));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a connection could not be accepted");
                            sleep(ACCEPT_AGAIN).await;
                        }
                    }
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, peer: IpAddr) {
        let service = service_fn(|request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(peer, request).await) }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_headers(MAX_HEADERS)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(GRACE, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let mut answer = match self.gate.admit(peer, &parts) {
            Err(refused) => {
                tracing::debug!(status = refused.status.as_u16(), "a request was refused");
                refuse(refused)
            }
            Ok(Route::Mcp) => self.mcp(parts, body).await,
            Ok(Route::Health) => json_answer(StatusCode::OK, &json!({ "ok": true })),
            Ok(Route::Ready) => self.ready(),
            Ok(Route::Challenge(nonce)) => {
                let proof = self.gate.proof(&nonce);
                json_answer(StatusCode::OK, &json!({ "proof": proof }))
            }
        };
        let headers = answer.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    fn ready(&self) -> Answer {
        let overall = self.companion.snapshot().overall;
        let (status, ready) = match overall {
            Overall::Ready => (StatusCode::OK, true),
            Overall::Paused
            | Overall::NeedsYou
            | Overall::Trouble
            | Overall::Connecting
            | Overall::Offline
            | Overall::NoGateways => (StatusCode::SERVICE_UNAVAILABLE, false),
        };
        json_answer(status, &json!({ "ready": ready, "overall": overall }))
    }

    async fn mcp(&self, mut parts: Parts, body: Incoming) -> Answer {
        let message = match message::read(&parts, body).await {
            Ok(message) => message,
            Err(bad) => return refuse_message(bad),
        };
        // the library needs none of these, and what it is given it may log
        parts.headers.remove(AUTHORIZATION);
        parts.headers.remove(TRANSFER_ENCODING);
        parts
            .headers
            .insert(CONTENT_LENGTH, message.body.len().into());
        parts.headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        parts.extensions.insert(message.arguments);
        let request = Request::from_parts(parts, Full::new(message.body));
        let answer = self.mcp.handle(request).await;
        // so it calls JSON that is no message of the protocol; the media type was checked above
        if answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            return refuse_message(BadMessage::NotAMessage);
        }
        answer
    }
}

fn refuse(refused: Refused) -> Answer {
    let mut answer = Response::new(Full::default().boxed());
    *answer.status_mut() = refused.status;
    if let Some((name, value)) = refused.header {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn refuse_message(bad: BadMessage) -> Answer {
    match bad.rpc() {
        None => refuse(bad.status().into()),
        Some((code, message)) => json_answer(
            bad.status(),
            &json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } }),
        ),
    }
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    let mut answer = Response::new(Full::from(value.to_string()).boxed());
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
