//! The whole loop against a scripted gateway: what it dials, says and stores.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use companion_core::{
    About, Command, Notification, Registry, Snapshot,
    command::{Access, SetupText},
    snapshot::{Overall, RoleState, SecretStoreKind},
};
use companion_runtime::{Companion, Config, Desktop};
use companion_store::{DataDir, RegistryFile, Secrets, Vault, memory_vault};
use node_commands::{Notifier, NotifyError};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use test_support::FakeGateway;
use tokio::{task::JoinHandle, time::timeout};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_code_pairs_node_first_and_later_dials_use_device_tokens() {
    let fake = FakeGateway::builder().start().await;
    let it = Running::start().await;
    it.pairs(&fake).await;
    let auth: Vec<_> = fake
        .connects()
        .iter()
        .map(|connect| connect["auth"].clone())
        .collect();
    assert!(
        auth.iter()
            .all(|auth| auth["bootstrapToken"] == "bootstrap-1"),
        "{auth:?}"
    );
    let roles: Vec<_> = fake
        .connects()
        .iter()
        .map(|connect| connect["role"].clone())
        .collect();
    assert_eq!(roles, ["node", "operator"]);
    let told = it.desktop.hears_something().await;
    assert_eq!(told, [format!("Paired with {}", place(&fake))]);

    fake.reset_all();
    fake.wait_for_connects(4, SOON).await;
    let again = fake.connects().split_off(2);
    assert!(
        again
            .iter()
            .all(|connect| connect["auth"]["deviceToken"].is_string()),
        "{again:?}"
    );
    it.until(|snapshot| snapshot.overall == Overall::Ready)
        .await;
}

#[tokio::test]
async fn what_was_stored_is_enough_for_the_next_start() {
    let fake = FakeGateway::builder().start().await;
    let it = Running::start().await;
    it.pairs(&fake).await;
    let device = it.companion.snapshot().gateways[0].device_id.clone();
    let next = it.restart().await;
    next.until(|snapshot| snapshot.overall == Overall::Ready)
        .await;
    assert_eq!(next.companion.snapshot().gateways[0].device_id, device);
    assert!(next.desktop.told().is_empty(), "nothing new happened");
}

#[tokio::test]
async fn quitting_while_a_redial_waits_ends_soon_and_dials_no_more() {
    let fake = FakeGateway::builder().start().await;
    let it = Running::start().await;
    it.pairs(&fake).await;
    fake.stop_listening().await;
    fake.reset_all();
    it.until(|snapshot| snapshot.gateways[0].operator.state == RoleState::Retrying)
        .await;
    let asked = Instant::now();
    it.companion.send(Command::Quit).await.expect("done");
    timeout(Duration::from_secs(2), it.task)
        .await
        .expect("it ends in time")
        .expect("no panic");
    assert!(asked.elapsed() < Duration::from_secs(2));
    let before = fake.connects().len();
    fake.start_listening().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.connects().len(), before);
}

#[tokio::test]
async fn an_invoke_of_the_gateway_runs_and_is_answered() {
    let fake = FakeGateway::builder().start().await;
    let it = Running::start().await;
    it.pairs(&fake).await;
    let answer = fake
        .invoke("system.notify", Some(json!({"title": "Hello"})), SOON)
        .await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(
        it.desktop
            .seen
            .lock()
            .expect("lock")
            .last()
            .map(String::as_str),
        Some("Hello")
    );
    let refused = fake
        .invoke("system.run", Some(json!({"command": ["true"]})), SOON)
        .await;
    assert_eq!(refused["error"]["code"], "COMMAND_NOT_OFFERED", "{refused}");
}

struct Running {
    companion: Companion,
    task: JoinHandle<()>,
    folder: TempDir,
    vault: Arc<dyn Vault>,
    desktop: Arc<Recorder>,
}

impl Running {
    async fn start() -> Self {
        Self::on(TempDir::new().expect("a folder"), memory_vault()).await
    }

    async fn on(folder: TempDir, vault: Arc<dyn Vault>) -> Self {
        let dir = DataDir::at(&folder.path().join("data")).expect("a data folder");
        let file = RegistryFile::new(&dir);
        let registry: Registry = file.load().expect("a registry");
        let desktop = Arc::new(Recorder::default());
        let (companion, task) = companion_runtime::start(Config {
            about: About {
                version: "0.1.0".to_owned(),
                pid: std::process::id(),
                secret_store: SecretStoreKind::Memory,
                node_commands: ["system.notify", "system.which"]
                    .map(str::to_owned)
                    .to_vec(),
                approve_local_node: false,
            },
            registry,
            registry_file: file,
            secrets: Secrets::new(Arc::clone(&vault)),
            installation: "0123abcd".to_owned(),
            unreadable: vec![],
            local_gateway: None,
            desktop: Arc::clone(&desktop) as Arc<dyn Desktop>,
        });
        let it = Self {
            companion,
            task,
            folder,
            vault,
            desktop,
        };
        it.until(|snapshot| snapshot.secret_store.usable).await;
        it
    }

    /// Ends it and starts another on the same folder and store.
    async fn restart(self) -> Self {
        self.companion.send(Command::Quit).await.expect("done");
        self.task.await.expect("no panic");
        Self::on(self.folder, self.vault).await
    }

    async fn pairs(&self, fake: &FakeGateway) {
        let code = SetupText::new(fake.setup_code("bootstrap-1"));
        let pair = Command::Pair {
            code,
            access: Access::Full,
            approve_node: false,
        };
        self.companion.send(pair).await.expect("accepted");
        self.until(|snapshot| {
            let ready = |view: &companion_core::snapshot::GatewayView| {
                view.operator.state == RoleState::Ready && view.node.role.state == RoleState::Ready
            };
            snapshot.gateways.first().is_some_and(ready)
        })
        .await;
    }

    async fn until(&self, condition: impl Fn(&Snapshot) -> bool) {
        let mut snapshots = self.companion.subscribe();
        let reached = timeout(SOON, snapshots.wait_for(|snapshot| condition(snapshot))).await;
        assert!(reached.is_ok(), "{:#?}", self.companion.snapshot());
    }
}

fn place(fake: &FakeGateway) -> String {
    format!("127.0.0.1:{}", fake.port())
}

#[derive(Debug, Default)]
struct Recorder {
    /// Titles of our own notifications.
    told: Mutex<Vec<String>>,
    /// Titles of what agents showed.
    seen: Mutex<Vec<String>>,
}

impl Recorder {
    /// A notification is shown on a thread of its own.
    async fn hears_something(&self) -> Vec<String> {
        let heard = timeout(SOON, async {
            while self.told().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        heard.await.expect("a notification");
        self.told()
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("lock").clone()
    }
}

impl Notifier for Recorder {
    fn notify(&self, notification: node_commands::Notification) -> Result<(), NotifyError> {
        self.seen
            .lock()
            .map_err(|_| NotifyError::NoService)?
            .push(notification.title);
        Ok(())
    }
}

impl Desktop for Recorder {
    fn tell(&self, notification: &Notification) {
        self.told
            .lock()
            .expect("lock")
            .push(notification.title.clone());
    }

    fn open_window(&self) {}
}
