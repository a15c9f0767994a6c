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
/// So many ends in so short a time mean that another start will hardly help: it is tried less often.
const MAX_ENDS: usize = 5;
const ENDS_WITHIN: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(500);
const LONG_PAUSE: Duration = Duration::from_secs(30);

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
            stopped = stop_ordered(&mut orders) => return confirm(stopped),
        };
        let pause = match started {
            Ok(gateway) => {
                tell(&messages, LocalGatewayReport::Ready).await;
                if serve(gateway, &messages, &mut orders).await {
                    return;
                }
                tell(&messages, LocalGatewayReport::Restarting).await;
                PAUSE
            }
            Err(error) => {
                tracing::warn!(%error, "the local gateway did not start");
                tell(&messages, LocalGatewayReport::Failed(error.to_string())).await;
                LONG_PAUSE
            }
        };
        ends.retain(|end| end.elapsed() < ENDS_WITHIN);
        ends.push(Instant::now());
        let pause = if ends.len() < MAX_ENDS {
            pause
        } else {
            LONG_PAUSE
        };
        tokio::select! {
            () = sleep(pause) => {}
            stopped = stop_ordered(&mut orders) => return confirm(stopped),
        }
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
        let stopped = match order {
            Some(Order::Mint) => {
                let minted = tokio::select! {
                    minted = gateway.mint_setup_code() => Ok(minted),
                    stopped = stop_ordered(orders) => Err(stopped),
                };
                match minted {
                    Ok(Ok(code)) => {
                        let code = SetupText::new(code.expose_secret());
                        tell(messages, LocalGatewayReport::SetupCode(code)).await;
                        continue;
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the local gateway made no setup code");
                        tell(messages, LocalGatewayReport::NoSetupCode).await;
                        continue;
                    }
                    Err(stopped) => stopped,
                }
            }
            Some(Order::Stop(done)) => Some(done),
            None => None,
        };
        gateway.stop(GRACE).await;
        confirm(stopped);
        return true;
    }
}

/// Waits for the order to stop; whoever gave it wants to hear when that is done. `None` when nobody can give it any more.
async fn stop_ordered(orders: &mut mpsc::Receiver<Order>) -> Option<oneshot::Sender<()>> {
    loop {
        match orders.recv().await {
            Some(Order::Stop(done)) => return Some(done),
            Some(Order::Mint) => {}
            None => return None,
        }
    }
}

fn confirm(stopped: Option<oneshot::Sender<()>>) {
    if let Some(done) = stopped {
        // whoever asked may have stopped waiting
        let _ = done.send(());
    }
}

async fn tell(messages: &mpsc::Sender<Message>, report: LocalGatewayReport) {
    // without a loop nobody wants to know
    let _ = messages
        .send(Message::Input(Input::LocalGateway(report)))
        .await;
}
