//! A scripted gateway: the handshake of the wire protocol, then answers and events as the test says.

pub mod payloads;

mod connection;
mod script;

pub use script::{Answer, FakeGatewayBuilder, Reply};

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use connection::Order;
use script::{OnConnect, OnRequest};

/// One request that came after hello.
#[derive(Debug, Clone)]
pub struct Request {
    /// Number of the connection it came on, counted from 1 in the order of acceptance.
    pub connection: u64,
    /// The role of that connection.
    pub role: String,
    /// The method.
    pub method: String,
    /// The params, `{}` when absent.
    pub params: Value,
}

/// How one connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Number of the connection, counted from 1 in the order of acceptance.
    pub connection: u64,
    /// Its role, when it got as far as `connect`.
    pub role: Option<String>,
    /// The close code that the client sent, `None` when the connection just ended.
    pub code: Option<u16>,
}

/// A gateway that does what the test says. Ends when dropped; its sockets end with it.
pub struct FakeGateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Handle,
    accepting: Mutex<Option<JoinHandle<()>>>,
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for FakeGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGateway")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl FakeGateway {
    /// A script to fill in; unfilled it says hello to everyone.
    #[must_use]
    pub fn builder() -> FakeGatewayBuilder {
        FakeGatewayBuilder::default()
    }

    /// `ws://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The port on 127.0.0.1; it stays the same over [`Self::stop_listening`] and [`Self::start_listening`].
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A setup code for this gateway: `url`, the given bootstrap token, valid for ten minutes.
    #[must_use]
    pub fn setup_code(&self, bootstrap_token: &str) -> String {
        payloads::setup_code(&self.url(), bootstrap_token, Duration::from_mins(10))
    }

    /// The params of every `connect` so far, in the order of arrival.
    #[must_use]
    pub fn connects(&self) -> Vec<Value> {
        self.shared.state().connects.clone()
    }

    /// Every request after hello so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// The path of each WebSocket upgrade so far.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.shared.state().paths.clone()
    }

    /// Every connection that ended so far.
    #[must_use]
    pub fn closed(&self) -> Vec<Closed> {
        self.shared.state().closed.clone()
    }

    /// How many pongs came back.
    #[must_use]
    pub fn pongs(&self) -> usize {
        self.shared.state().pongs
    }

    /// How many connections of this role are past hello and open.
    #[must_use]
    pub fn connected(&self, role: &str) -> usize {
        self.shared.state().connected(role)
    }

    /// Waits for `count` connects in all and gives the params of every connect so far.
    pub async fn wait_for_connects(&self, count: usize, timeout: Duration) -> Vec<Value> {
        let what = format!("{count} connects");
        self.wait_for(&what, timeout, move |state| {
            (state.connects.len() >= count).then(|| state.connects.clone())
        })
        .await
    }

    /// Waits until exactly `count` connections of this role are past hello and open.
    pub async fn wait_for_connected(&self, role: &str, count: usize, timeout: Duration) {
        let what = format!("{count} open {role} connections");
        let role = role.to_owned();
        self.wait_for(&what, timeout, move |state| {
            (state.connected(&role) == count).then_some(())
        })
        .await;
    }

    /// Waits for `count` ended connections in all and gives them.
    pub async fn wait_for_closed(&self, count: usize, timeout: Duration) -> Vec<Closed> {
        let what = format!("{count} ended connections");
        self.wait_for(&what, timeout, move |state| {
            (state.closed.len() >= count).then(|| state.closed.clone())
        })
        .await
    }

    /// Waits for the first request with this method, also one that came before, and gives it.
    pub async fn wait_for_request(&self, method: &str, timeout: Duration) -> Request {
        let what = format!("a {method} request");
        let method = method.to_owned();
        self.wait_for(&what, timeout, move |state| {
            let found = state.requests.iter().find(|r| r.method == method);
            found.cloned()
        })
        .await
    }

    /// Sends an event with the connection's next `seq` to every open connection of this role; gives their number.
    pub fn push_event(&self, role: &str, event: &str, payload: Value) -> usize {
        self.order_role(role, || Order::Event {
            event: event.to_owned(),
            payload: payload.clone(),
            numbered: true,
        })
    }

    /// Sends a text frame as it is, also one that breaks the protocol, to every open connection of this role.
    pub fn push_text(&self, role: &str, text: &str) -> usize {
        self.order_role(role, || Order::Text(text.to_owned()))
    }

    /// Sends `node.invoke.request` to the nodes and gives the params of the first `node.invoke.result` for it.
    pub async fn invoke(&self, command: &str, params: Option<Value>, timeout: Duration) -> Value {
        let id = uuid::Uuid::new_v4().to_string();
        let mut payload = json!({
            "id": id,
            "nodeId": self.node_id(),
            "command": command,
            "timeoutMs": u64::try_from(timeout.as_millis()).expect("a sensible timeout"),
            "idempotencyKey": uuid::Uuid::new_v4().to_string(),
        });
        if let Some(params) = params {
            payload["paramsJSON"] = Value::String(params.to_string());
        }
        let nodes = self.order_role("node", || Order::Event {
            event: "node.invoke.request".to_owned(),
            payload: payload.clone(),
            numbered: false,
        });
        assert!(nodes > 0, "no node is connected to take {command}");
        let what = format!("the result of {command}");
        self.wait_for(&what, timeout, move |state| {
            let mut results = state.requests.iter();
            results
                .find(|r| r.method == "node.invoke.result" && r.params["id"] == id.as_str())
                .map(|r| r.params.clone())
        })
        .await
    }

    /// Sends a WebSocket ping on every open connection; see [`Self::pongs`].
    pub fn ping_all(&self) {
        self.order_all(|| Order::Ping);
    }

    /// Closes every open connection with this code.
    pub fn close_all(&self, code: u16) {
        self.order_all(|| Order::Close {
            code,
            reason: String::new(),
        });
    }

    /// Ends every open connection by a reset (RST), without a close frame.
    pub fn reset_all(&self) {
        self.order_all(|| Order::Reset);
    }

    /// Keeps every open connection open but neither reads nor writes on it any more, as a half-open link does.
    pub fn go_silent(&self) {
        self.order_all(|| Order::FallSilent);
    }

    /// Refuses new connections from now on; open ones stay.
    pub async fn stop_listening(&self) {
        let accepting = self.accepting().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // cancelled, as asked
            let _ = accepting.await;
        }
    }

    /// Listens on the same port again.
    pub async fn start_listening(&self) {
        self.stop_listening().await;
        let address = self.address;
        let shared = Arc::clone(&self.shared);
        let bound = self.runtime.spawn(TcpListener::bind(address));
        let listener = bound
            .await
            .expect("the fake gateway runs")
            .expect("the port is still ours");
        *self.accepting() = Some(self.runtime.spawn(accept(listener, shared)));
    }

    async fn start(builder: FakeGatewayBuilder) -> Self {
        let (ready, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("fake-gateway".to_owned())
            .spawn(move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime for the fake gateway");
                runtime.block_on(async {
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                        .await
                        .expect("a free port on 127.0.0.1");
                    if ready.send((Handle::current(), listener)).is_ok() {
                        // ends by the drop of the gateway
                        let _ = stopped.await;
                    }
                });
            })
            .expect("a thread for the fake gateway");
        let (runtime, listener) = started.await.expect("the fake gateway starts");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            script: Mutex::new(Script {
                on_connect: builder.on_connect,
                on_request: builder.on_request,
            }),
            challenge: builder.challenge,
            reply_delay: builder.reply_delay,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let accepting = runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            runtime,
            accepting: Mutex::new(Some(accepting)),
            _stop: stop,
        }
    }

    fn node_id(&self) -> Value {
        let state = self.shared.state();
        let node = state.connects.iter().rev().find(|c| c["role"] == "node");
        node.map_or(Value::Null, |connect| connect["device"]["id"].clone())
    }

    fn order_all(&self, order: impl Fn() -> Order) {
        for open in self.shared.state().open.values() {
            // a connection that just ended has no use for it
            let _ = open.orders.send(order());
        }
    }

    fn order_role(&self, role: &str, order: impl Fn() -> Order) -> usize {
        let state = self.shared.state();
        let of_role = state.open.values().filter(|open| open.is_ready_as(role));
        of_role
            .filter(|open| open.orders.send(order()).is_ok())
            .count()
    }

    fn accepting(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.accepting.lock().expect("no test panics holding it")
    }

    async fn wait_for<T: Send + 'static>(
        &self,
        what: &str,
        timeout: Duration,
        seen: impl FnMut(&State) -> Option<T> + Send + 'static,
    ) -> T {
        let waiting = wait_until(Arc::clone(&self.shared), seen);
        // on the gateway's own clock: the test's may be paused
        let timed = self
            .runtime
            .spawn(async move { tokio::time::timeout(timeout, waiting).await });
        timed
            .await
            .expect("the fake gateway runs")
            .unwrap_or_else(|_| panic!("no {what} within {timeout:?}; {}", self.shared.state()))
    }
}

fn wait_until<T>(
    shared: Arc<Shared>,
    mut seen: impl FnMut(&State) -> Option<T>,
) -> impl Future<Output = T> {
    let mut changed = shared.changed.subscribe();
    async move {
        loop {
            if let Some(found) = seen(&shared.state()) {
                return found;
            }
            changed.changed().await.expect("the sender is in `shared`");
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let number = shared.change(|state| {
            state.accepted += 1;
            let open = Open {
                role: None,
                ready: false,
                orders,
            };
            state.open.insert(state.accepted, open);
            state.accepted
        });
        tokio::spawn(connection::serve(
            number,
            stream,
            inbox,
            Arc::clone(&shared),
        ));
    }
}

struct Script {
    on_connect: OnConnect,
    on_request: OnRequest,
}

struct Shared {
    script: Mutex<Script>,
    challenge: bool,
    reply_delay: Duration,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics holding it")
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("the script of the test panicked")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.send_replace(());
        changed
    }
}

#[derive(Default)]
struct State {
    accepted: u64,
    open: BTreeMap<u64, Open>,
    paths: Vec<String>,
    connects: Vec<Value>,
    requests: Vec<Request>,
    closed: Vec<Closed>,
    pongs: usize,
}

impl State {
    fn connected(&self, role: &str) -> usize {
        self.open.values().filter(|o| o.is_ready_as(role)).count()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.requests.iter().map(|r| r.method.as_str()).collect();
        write!(
            f,
            "seen: {} sockets, {} connects, {} operators and {} nodes open, requests {methods:?}, ended {:?}",
            self.accepted,
            self.connects.len(),
            self.connected("operator"),
            self.connected("node"),
            self.closed
        )
    }
}

struct Open {
    role: Option<String>,
    ready: bool,
    orders: mpsc::UnboundedSender<Order>,
}

impl Open {
    fn is_ready_as(&self, role: &str) -> bool {
        self.ready && self.role.as_deref() == Some(role)
    }
}
