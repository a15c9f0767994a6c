//! Keeps the companion's own gateway running, and tells the core how that goes.

use crate::runtime::Message;
use companion_core::{Input, LocalGatewayReport, command::SetupText};
use local_gateways::{Error, Installation, PrivateGateway, Progress};
use secrecy::ExposeSecret;
use std::{path::PathBuf, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep},
};

/// Where the companion's own gateway lives.
#[derive(Debug, Clone)]
pub struct LocalGateway {
    /// The cache of this computer, where the software is installed once.
    pub cache: PathBuf,
    /// The instance's own folder.
    pub home: PathBuf,
}

/// The task that keeps it running.
#[derive(Debug)]
pub(crate) struct Supervisor {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Order {
    Mint,
    Stop(oneshot::Sender<()>),
}

const GRACE: Duration = Duration::from_secs(5);
/// So many ends in so short a time mean that another start will not help.
const MAX_ENDS: usize = 5;
const ENDS_WITHIN: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(500);

impl Supervisor {
    pub(crate) fn start(local: LocalGateway, messages: mpsc::Sender<Message>) -> Self {
        let (orders, queue) = mpsc::channel(4);
        let task = tokio::spawn(supervise(local, messages, queue));
        Self { orders, task }
    }

    pub(crate) fn mint(&self) {
        if self.orders.try_send(Order::Mint).is_err() {
            tracing::warn!("the local gateway is not there to make a setup code");
        }
    }

    /// Stops the gateway and waits until it has ended.
    pub(crate) async fn stop(self) {
        let (done, stopped) = oneshot::channel();
        let asked = self.orders.send(Order::Stop(done)).await.is_ok();
        let in_time = asked && tokio::time::timeout(2 * GRACE, stopped).await.is_ok();
        if !in_time {
            // dropping the task's gateway kills the process
            self.task.abort();
        }
    }
}

async fn supervise(
    local: LocalGateway,
    messages: mpsc::Sender<Message>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut ends: Vec<Instant> = vec![];
    loop {
        let started = tokio::select! {
            started = bring_up(&local, &messages) => started,
            () = stop_ordered(&mut orders) => return,
        };
        let gateway = match started {
            Ok(gateway) => gateway,
            Err(error) => {
                tracing::warn!(%error, "the local gateway did not start");
                tell(&messages, LocalGatewayReport::Failed(error.to_string())).await;
                return stop_ordered(&mut orders).await;
            }
        };
        tell(&messages, LocalGatewayReport::Ready).await;
        if serve(gateway, &messages, &mut orders).await {
            return;
        }
        ends.retain(|end| end.elapsed() < ENDS_WITHIN);
        ends.push(Instant::now());
        if ends.len() >= MAX_ENDS {
            let reason = format!(
                "It ended {MAX_ENDS} times within {} minutes.",
                ENDS_WITHIN.as_secs() / 60
            );
            tell(&messages, LocalGatewayReport::Failed(reason)).await;
            return stop_ordered(&mut orders).await;
        }
        tell(&messages, LocalGatewayReport::Restarting).await;
        sleep(PAUSE).await;
    }
}

async fn bring_up(
    local: &LocalGateway,
    messages: &mpsc::Sender<Message>,
) -> Result<PrivateGateway, Error> {
    let report = |progress: Progress| {
        tracing::info!("{progress}");
        // progress is only worth showing while there is room for it
        let _ = messages.try_send(Message::Input(Input::LocalGateway(
            LocalGatewayReport::Working(progress.to_string()),
        )));
    };
    let installation = match Installation::find(&local.cache) {
        Some(installation) => installation,
        None => Installation::install(&local.cache, report).await?,
    };
    PrivateGateway::start(&installation, &local.home, report).await
}

/// Until it ends by itself (false) or is told to stop (true).
async fn serve(
    mut gateway: PrivateGateway,
    messages: &mpsc::Sender<Message>,
    orders: &mut mpsc::Receiver<Order>,
) -> bool {
    loop {
        let order = tokio::select! {
            ended = gateway.exited() => {
                tracing::warn!(?ended, "the local gateway ended");
                return false;
            }
            order = orders.recv() => order,
        };
        match order {
            Some(Order::Mint) => {
                let report = match gateway.mint_setup_code().await {
                    Ok(code) => LocalGatewayReport::SetupCode(SetupText::new(code.expose_secret())),
                    Err(error) => LocalGatewayReport::Failed(error.to_string()),
                };
                tell(messages, report).await;
            }
            Some(Order::Stop(done)) => {
                gateway.stop(GRACE).await;
                let _ = done.send(());
                return true;
            }
            None => {
                gateway.stop(GRACE).await;
                return true;
            }
        }
    }
}

/// Waits for the order to stop while there is nothing to stop.
async fn stop_ordered(orders: &mut mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        if let Order::Stop(done) = order {
            let _ = done.send(());
            return;
        }
    }
}

async fn tell(messages: &mpsc::Sender<Message>, report: LocalGatewayReport) {
    // without a loop nobody wants to know
    let _ = messages
        .send(Message::Input(Input::LocalGateway(report)))
        .await;
}
