//! Commands against a real endpoint before a scripted companion.

use super::{
    Exit, answer,
    arguments::{AccessName, Ask, ConnectArgs, FollowArgs, PairArgs},
    console::Console,
    typed::Typed,
};
use companion_core::{
    Command, Done, GatewayId, Problem, Snapshot, Timestamp,
    snapshot::{
        CommandsView, GatewayView, NodeView, Overall, RoleState, RoleView, SecretStoreKind,
        SecretStoreView,
    },
};
use companion_runtime::scripted;
use companion_store::DataDir;
use control_endpoint::{Endpoint, serve};
use gateway_protocol::Scopes;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::watch;

pub(super) fn snapshot(revision: u64, gateways: Vec<GatewayView>) -> Snapshot {
    Snapshot {
        revision,
        version: "1.2.3".to_owned(),
        pid: 42,
        overall: Overall::NeedsYou,
        problems: vec![],
        secret_store: SecretStoreView {
            kind: SecretStoreKind::Memory,
            usable: true,
        },
        local_gateway: None,
        gateways,
    }
}

pub(super) fn gateway(
    operator: RoleState,
    why: Option<Problem>,
    node: RoleState,
    why_node: Option<Problem>,
) -> GatewayView {
    let role = |state, problem| RoleView {
        state,
        since: Timestamp(0),
        problem,
        next_attempt_at: None,
        request_id: None,
        scopes: Scopes::none(),
    };
    GatewayView {
        id: GatewayId::new("gw-1"),
        name: "home".to_owned(),
        url: "ws://127.0.0.1:18789/".to_owned(),
        primary: true,
        local: false,
        gateway_version: Some("2026.9.6".to_owned()),
        device_id: None,
        overall: Overall::NeedsYou,
        problems: vec![],
        operator: role(operator, why),
        node: NodeView {
            role: role(node, why_node),
            commands: CommandsView::default(),
        },
    }
}

/// `{"url":"ws://127.0.0.1:18789","bootstrapToken":"roVskwIf"}`.
const CODE: &str = "eyJ1cmwiOiJ3czovLzEyNy4wLjAuMToxODc4OSIsImJvb3RzdHJhcFRva2VuIjoicm9Wc2t3SWYifQ";

#[tokio::test]
async fn status_prints_the_snapshot_and_watch_ends_with_the_companion() {
    let fixture = Fixture::new(|_| Ok(Done::Done)).await;
    let shown = fixture.ask(Ask::Status { watch: false }, true, "").await;
    assert_eq!(shown.exit, Exit::Done);
    assert_eq!(
        shown.json(),
        serde_json::to_value(snapshot(1, vec![])).unwrap()
    );
    assert!(
        shown
            .out
            .starts_with("{\n  \"revision\": 1,\n  \"version\"")
    );

    let watching = fixture.ask(Ask::Status { watch: true }, true, "");
    let changes = async {
        fixture.until_watched(true).await;
        fixture.publish.send_replace(Arc::new(snapshot(2, vec![])));
        fixture.until_watched(false).await;
        fixture.until_watched(true).await;
        fixture.close().await;
    };
    let (watched, ()) = tokio::join!(watching, changes);
    assert_eq!(watched.exit, Exit::NotRunning);
    let lines: Vec<Value> = watched
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["revision"], 1);
    assert_eq!(lines[1]["revision"], 2);
    assert_eq!(lines[2]["error"]["code"], "not_running");

    let after = fixture.ask(Ask::Gateways, false, "").await;
    assert_eq!((after.exit, after.out.as_str()), (Exit::NotRunning, ""));
    assert!(after.err.contains("claw-companion run"));
}

#[tokio::test]
async fn pair_follows_until_both_roles_are_in() {
    let fixture = Fixture::new(accept).await;
    let connecting = gateway(RoleState::Connecting, None, RoleState::Ready, None);
    fixture
        .publish
        .send_replace(Arc::new(snapshot(2, vec![connecting])));
    let pairing = fixture.ask(Ask::Pair(pair_args("-")), true, CODE);
    let change = async {
        fixture.until_watched(true).await;
        let mut ready = gateway(RoleState::Ready, None, RoleState::Ready, None);
        ready.node.commands.confirmed = true;
        fixture
            .publish
            .send_replace(Arc::new(snapshot(3, vec![ready])));
    };
    let (paired, ()) = tokio::join!(pairing, change);
    assert_eq!(paired.exit, Exit::Done, "{paired:?}");
    assert_eq!(
        paired.json(),
        json!({
            "gateway": "gw-1", "name": "home", "operator": "ready", "node": "ready",
            "nodeSurface": "approved",
        })
    );
    assert!(paired.err.contains("Setup code for 127.0.0.1:18789"));
    assert!(!paired.err.contains("roVskwIf") && !paired.err.contains(CODE));
    let heard = fixture.heard.lock().unwrap();
    assert!(matches!(
        heard.as_slice(),
        [Command::Pair {
            approve_node: false,
            ..
        }]
    ));
}

#[tokio::test]
async fn pair_ends_with_what_stands_in_the_way() {
    let approval = Problem::approval_needed(gateway_protocol::Role::Operator, Some("r-1"));
    let waiting = RoleState::WaitingForApproval;
    let (off, connecting, ready) = (RoleState::Off, RoleState::Connecting, RoleState::Ready);
    let refused = {
        let mut view = gateway(off, None, off, None);
        view.problems = vec![Problem::setup_code_refused()];
        view
    };
    let surface = Problem::node_surface_pending(None);
    for (view, wait, exit, code) in [
        (
            gateway(waiting, Some(approval.clone()), connecting, None),
            None,
            Exit::Waiting,
            "approval_needed",
        ),
        (
            gateway(waiting, Some(approval), connecting, None),
            Some(0),
            Exit::Waiting,
            "approval_needed",
        ),
        (refused, None, Exit::Failed, "setup_code_refused"),
        (
            gateway(connecting, None, connecting, None),
            Some(0),
            Exit::Failed,
            "not_ready_in_time",
        ),
        (
            gateway(ready, None, waiting, Some(surface)),
            Some(0),
            Exit::Waiting,
            "node_surface_pending",
        ),
    ] {
        let fixture = Fixture::new(accept).await;
        fixture
            .publish
            .send_replace(Arc::new(snapshot(2, vec![view])));
        let mut args = pair_args(CODE);
        args.follow.wait = wait;
        let ended = fixture.ask(Ask::Pair(args), true, "").await;
        let shown = ended.json();
        assert_eq!((ended.exit, &shown["error"]["code"]), (exit, &json!(code)));
    }
}

#[tokio::test]
async fn a_pending_node_surface_is_no_failure() {
    let fixture = Fixture::new(accept).await;
    let pending = Problem::node_surface_pending(Some("r-1"));
    let view = gateway(
        RoleState::Ready,
        None,
        RoleState::WaitingForApproval,
        Some(pending),
    );
    fixture
        .publish
        .send_replace(Arc::new(snapshot(2, vec![view])));
    let paired = fixture.ask(Ask::Pair(pair_args(CODE)), true, "").await;
    assert_eq!(paired.exit, Exit::Done);
    assert_eq!(paired.json()["nodeSurface"], "pending");
}

#[tokio::test]
async fn nothing_is_sent_without_a_usable_code_and_a_yes() {
    let fixture = Fixture::new(accept).await;
    let mut args = pair_args(CODE);
    args.yes = false;
    let unasked = fixture.ask(Ask::Pair(args), true, "").await;
    assert_eq!(unasked.exit, Exit::Waiting);
    assert_eq!(unasked.json()["error"]["code"], "confirmation_required");
    let damaged = fixture
        .ask(Ask::Pair(pair_args(&CODE[..40])), true, "")
        .await;
    assert_eq!(damaged.exit, Exit::Failed);
    assert_eq!(damaged.json()["error"]["code"], "setup_code_invalid");
    let connect = connect_args(follow_args());
    let empty = fixture.ask(Ask::Connect(connect), true, "\n").await;
    assert_eq!(
        (empty.exit, &empty.json()["error"]["code"]),
        (Exit::Usage, &json!("token_missing"))
    );
    assert!(fixture.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn connect_passes_the_token_on_and_says_which_commands_are_approved() {
    let fixture = Fixture::new(accept).await;
    let ready = gateway(RoleState::Ready, None, RoleState::Ready, None);
    fixture
        .publish
        .send_replace(Arc::new(snapshot(2, vec![ready])));
    let mut follow = follow_args();
    follow.approve_node = true;
    let connect = connect_args(follow);
    let connected = fixture.ask(Ask::Connect(connect), false, "CANARY\n").await;
    assert_eq!(connected.exit, Exit::Done, "{connected:?}");
    assert!(connected.out.starts_with("Connected with home (gw-1)."));
    assert!(connected.err.contains("system.which"));
    assert!(!connected.err.contains("CANARY") && !connected.out.contains("CANARY"));
    let heard = fixture.heard.lock().unwrap();
    let [
        Command::Connect {
            token,
            approve_node: true,
            ..
        },
    ] = heard.as_slice()
    else {
        panic!("{heard:?}")
    };
    assert!(token.matches(&gateway_protocol::SharedToken::new("CANARY")));
}

#[tokio::test]
async fn forget_takes_a_name_and_sends_the_id() {
    let fixture = Fixture::new(|_| Ok(Done::Done)).await;
    let view = gateway(RoleState::Ready, None, RoleState::Ready, None);
    fixture
        .publish
        .send_replace(Arc::new(snapshot(2, vec![view])));
    let forget = |name: &str, yes| Ask::Forget {
        gateway: name.to_owned(),
        yes,
    };
    assert_eq!(
        fixture.ask(forget("home", false), false, "").await.exit,
        Exit::Waiting
    );
    let unknown = fixture.ask(forget("other", true), true, "").await;
    assert_eq!(unknown.json()["error"]["code"], "unknown_gateway");
    assert!(fixture.heard.lock().unwrap().is_empty());
    assert_eq!(
        fixture.ask(forget("home", true), false, "").await.out,
        "Forgot home.\n"
    );
    let heard = fixture.heard.lock().unwrap();
    assert!(matches!(heard.as_slice(), [Command::Forget { gateway }] if gateway == "gw-1"));
}

#[tokio::test]
async fn quit_is_done_when_the_folder_is_free() {
    let fixture = Fixture::new(|_| Ok(Done::Done)).await;
    let ended = fixture.ask(Ask::Quit, true, "").await;
    assert_eq!(
        (ended.exit, ended.json()),
        (Exit::Done, json!({ "type": "done" }))
    );
    let heard = fixture.heard.lock().unwrap();
    assert!(matches!(heard.as_slice(), [Command::Quit]));
}

fn accept(_: Command) -> Result<Done, Problem> {
    Ok(Done::Accepted {
        gateway: GatewayId::new("gw-1"),
    })
}

fn pair_args(code: &str) -> PairArgs {
    PairArgs {
        code: Typed::parse(code).ok(),
        file: None,
        yes: true,
        access: AccessName::Full,
        follow: follow_args(),
    }
}

fn connect_args(follow: FollowArgs) -> ConnectArgs {
    ConnectArgs {
        url: "ws://127.0.0.1:18789".to_owned(),
        token_stdin: true,
        follow,
    }
}

fn follow_args() -> FollowArgs {
    FollowArgs {
        approve_node: false,
        wait: None,
    }
}

struct Fixture {
    endpoint: Mutex<Option<Endpoint>>,
    dir: DataDir,
    publish: watch::Sender<Arc<Snapshot>>,
    heard: Arc<Mutex<Vec<Command>>>,
    /// Handles on the snapshot while nobody asks.
    at_rest: usize,
    _folder: TempDir,
}

#[derive(Debug)]
struct Shown {
    exit: Exit,
    out: String,
    err: String,
}

impl Fixture {
    async fn new(respond: fn(Command) -> Result<Done, Problem>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::at(folder.path()).unwrap();
        let heard = Arc::new(Mutex::new(vec![]));
        let hears = Arc::clone(&heard);
        let (companion, publish) = scripted(snapshot(1, vec![]), move |command| {
            hears.lock().unwrap().push(command.clone());
            respond(command)
        });
        let endpoint = serve(companion, &dir, Some(0)).await.unwrap();
        Self {
            endpoint: Mutex::new(Some(endpoint)),
            at_rest: publish.receiver_count(),
            dir,
            publish,
            heard,
            _folder: folder,
        }
    }

    async fn ask(&self, ask: Ask, json: bool, typed: &str) -> Shown {
        let (mut out, mut err, mut input) = (vec![], vec![], typed.as_bytes());
        let mut console = Console::new(json, &mut out, &mut err, &mut input).with_person(false);
        let outcome = answer(ask, &self.dir, &mut console).await;
        let exit = console.end(outcome);
        Shown {
            exit,
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }

    /// Until a long poll hangs on the snapshot, or none does any more.
    async fn until_watched(&self, watched: bool) {
        let change = async {
            // a request under way has a handle of its own, a waiting one also a subscription
            while (self.publish.receiver_count() >= self.at_rest + 2) != watched {
                tokio::task::yield_now().await;
            }
        };
        let time = Duration::from_secs(20);
        tokio::time::timeout(time, change).await.unwrap();
    }

    async fn close(&self) {
        let endpoint = self.endpoint.lock().unwrap().take();
        endpoint.unwrap().shutdown().await;
    }
}

impl Shown {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}
