//! How each figure is measured.

use std::{
    cell::OnceCell,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;
use test_support::{Desktop, DesktopOptions, NotificationDaemon, RealGateway, Tray};
use tokio::runtime::Runtime;

use crate::{
    bars::{Figure, Metric},
    client::{Calls, Dials},
    peers::{PairedCompanion, Peer, Peers},
    process::{FakeServer, Process, answer},
    report::load,
};

/// One measured value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub(crate) figure: Figure,
    pub(crate) metric: Metric,
    pub(crate) round: u32,
    pub(crate) peer: Peer,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Load average of the last minute, before it.
    pub(crate) load: f64,
}

/// Measures these figures, the peers taking turns in every round.
pub(crate) fn measure(
    figures: &[Figure],
    rounds: u32,
    peers: &Peers,
    runtime: &Runtime,
) -> Result<Vec<Measurement>> {
    let mut bench = Bench {
        peers,
        runtime,
        node_host_memory: None,
        server: FakeServer::start()?,
        companion: OnceCell::new(),
        measured: Vec::new(),
    };
    for round in 1..=rounds {
        if figures.contains(&Figure::P1) {
            bench.spawn_to_hello(round)?;
        }
        if figures.contains(&Figure::P3) {
            bench.headless_memory(round)?;
        }
        if figures.contains(&Figure::P4) {
            bench.tray_memory(round)?;
        }
        if figures.contains(&Figure::P7) {
            bench.dials(round)?;
        }
        bench.calls(round, figures)?;
    }
    Ok(bench.measured)
}

/// How many dials and calls make one value.
const DIALS: &str = "400";
const CALLS: &str = "15000";
const CALLS_OF_64: &str = "120000";
/// How long a process is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
/// The node host takes many seconds each time and varies little.
const NODE_HOST_ROUNDS: u32 = 2;

struct Bench<'p> {
    peers: &'p Peers,
    runtime: &'p Runtime,
    /// Of this round; two figures share it.
    node_host_memory: Option<(u32, f64)>,
    server: FakeServer,
    companion: OnceCell<PairedCompanion>,
    measured: Vec<Measurement>,
}

impl Bench<'_> {
    fn spawn_to_hello(&mut self, round: u32) -> Result<()> {
        for peer in turns(
            round,
            &[Peer::Ours, Peer::Reference, Peer::NodeHost, Peer::Bare],
        ) {
            if peer == Peer::NodeHost && round > NODE_HOST_ROUNDS {
                continue;
            }
            if peer == Peer::NodeHost && round == 1 {
                // its first start of all also sets up its state
                self.start(peer, "hello")?.end()?;
            }
            let load = load()?;
            self.companion()?;
            self.server.forget();
            let mut process = Process::start(&mut self.command(peer, "hello")?)?;
            let role = if peer == Peer::NodeHost {
                "node"
            } else {
                "operator"
            };
            let hello = self.server.hello(role, &mut process)?;
            let took = hello.saturating_sub(process.started_unix_nanos()?);
            process.end()?;
            self.note(
                Figure::P1,
                Metric::SpawnToHello,
                round,
                peer,
                Duration::from_nanos(took).as_secs_f64() * 1e3,
                load,
            );
        }
        Ok(())
    }

    fn headless_memory(&mut self, round: u32) -> Result<()> {
        for peer in turns(
            round,
            &[Peer::Ours, Peer::Reference, Peer::NodeHost, Peer::Bare],
        ) {
            if peer == Peer::NodeHost && round > NODE_HOST_ROUNDS {
                continue;
            }
            let load = load()?;
            let memory = match peer {
                Peer::NodeHost => self.node_host_memory(round)?,
                Peer::Ours | Peer::Reference | Peer::Bare => self.idle_memory(peer)?,
            };
            self.note(
                Figure::P3,
                Metric::HeadlessMemory,
                round,
                peer,
                memory,
                load,
            );
        }
        Ok(())
    }

    fn tray_memory(&mut self, round: u32) -> Result<()> {
        for peer in turns(round, &[Peer::Ours, Peer::NodeHost]) {
            if peer == Peer::NodeHost && round > NODE_HOST_ROUNDS {
                continue;
            }
            let load = load()?;
            let memory = match peer {
                Peer::Ours => self.memory_in_tray()?,
                Peer::NodeHost | Peer::Reference | Peer::Bare => self.node_host_memory(round)?,
            };
            self.note(Figure::P4, Metric::TrayMemory, round, peer, memory, load);
        }
        Ok(())
    }

    fn memory_in_tray(&self) -> Result<f64> {
        let desktop = Desktop::start(&DesktopOptions {
            keyring: false,
            tray: Tray::Panel,
            notifications: NotificationDaemon::Plain,
            ..DesktopOptions::default()
        });
        let mut command = self.companion()?.in_tray();
        desktop.apply(&mut command);
        self.server.forget();
        let mut process = Process::start(&mut command)?;
        self.server.hello("operator", &mut process)?;
        let icons = desktop.tray_icons();
        if icons.as_array().is_none_or(Vec::is_empty) {
            bail!("the companion shows no icon in the tray");
        }
        let memory = rest_and_weigh(&process)?;
        process.end()?;
        Ok(memory)
    }

    fn idle_memory(&self, peer: Peer) -> Result<f64> {
        let process = self.start(peer, "idle")?;
        let memory = rest_and_weigh(&process)?;
        process.end()?;
        Ok(memory)
    }

    /// Against a real gateway: the answers that it gives are what the node host keeps in memory.
    fn node_host_memory(&mut self, round: u32) -> Result<f64> {
        if let Some((of_round, memory)) = self.node_host_memory
            && of_round == round
        {
            return Ok(memory);
        }
        let gateway = self.runtime.block_on(RealGateway::start());
        let home = TempDir::new()?;
        let mut command = gateway.command(home.path()).into_std();
        let port = gateway.port().to_string();
        command.args([
            "node",
            "run",
            "--host",
            "127.0.0.1",
            "--no-tls",
            "--port",
            &port,
        ]);
        let mut process = Process::start(&mut command)?;
        loop {
            thread::sleep(Duration::from_millis(500));
            process.still_runs()?;
            let listed = self.runtime.block_on(gateway.rpc("node.list", json!({})));
            let mut nodes = listed["nodes"].as_array().into_iter().flatten();
            if nodes.any(|node| node["connected"] == true) {
                break;
            }
        }
        let memory = rest_and_weigh(&process)?;
        process.end()?;
        self.node_host_memory = Some((round, memory));
        Ok(memory)
    }

    /// Starts this peer and waits until every connection that it makes had its hello.
    fn start(&self, peer: Peer, task: &str) -> Result<Process> {
        let mut command = self.command(peer, task)?;
        self.server.forget();
        let mut process = Process::start(&mut command)?;
        let mut roles = match peer {
            Peer::NodeHost => vec!["node"],
            Peer::Ours | Peer::Reference | Peer::Bare => vec!["operator", "node"],
        };
        while !roles.is_empty() {
            let (greeted, _) = self.server.next_hello(&mut process)?;
            roles.retain(|role| *role != greeted);
        }
        Ok(process)
    }

    fn command(&self, peer: Peer, task: &str) -> Result<std::process::Command> {
        match peer {
            Peer::Ours => Ok(self.companion()?.headless()),
            Peer::NodeHost => Ok(self.peers.node_host(self.server.port())),
            Peer::Reference | Peer::Bare => self.peers.client(peer, &[task, &self.server.url()]),
        }
    }

    fn companion(&self) -> Result<&PairedCompanion> {
        if let Some(paired) = self.companion.get() {
            return Ok(paired);
        }
        let paired = PairedCompanion::pair(self.peers.companion()?, &self.server)?;
        Ok(self.companion.get_or_init(|| paired))
    }

    fn dials(&mut self, round: u32) -> Result<()> {
        for peer in turns(round, &[Peer::Ours, Peer::Reference, Peer::Bare]) {
            let load = load()?;
            let mut command = self
                .peers
                .client(peer, &["dial", &self.server.url(), DIALS])?;
            let dials: Dials = answer(&mut command)?;
            let value = percentile(dials.micros, 0.5)? / 1e3;
            self.note(Figure::P7, Metric::DialToHello, round, peer, value, load);
        }
        Ok(())
    }

    fn calls(&mut self, round: u32, figures: &[Figure]) -> Result<()> {
        let wanted = |figure| figures.contains(&figure);
        let url = self.server.url();
        for peer in turns(round, &[Peer::Ours, Peer::Reference, Peer::Bare]) {
            if wanted(Figure::P8) || wanted(Figure::P9) {
                let load = load()?;
                let calls: Calls =
                    answer(&mut self.peers.client(peer, &["rpc", &url, "1", CALLS])?)?;
                if wanted(Figure::P8) {
                    self.note(
                        Figure::P8,
                        Metric::CpuPerCall,
                        round,
                        peer,
                        calls.cpu_per_call(),
                        load,
                    );
                }
                if wanted(Figure::P9) {
                    let (p50, p99) = (
                        percentile(calls.micros.clone(), 0.5)?,
                        percentile(calls.micros, 0.99)?,
                    );
                    self.note(Figure::P9, Metric::CallP50, round, peer, p50, load);
                    self.note(Figure::P9, Metric::CallP99, round, peer, p99, load);
                }
            }
            if wanted(Figure::P8) || wanted(Figure::P10) {
                let load = load()?;
                let calls: Calls =
                    answer(&mut self.peers.client(peer, &["rpc", &url, "64", CALLS_OF_64])?)?;
                if wanted(Figure::P8) {
                    self.note(
                        Figure::P8,
                        Metric::CpuPerCallOf64,
                        round,
                        peer,
                        calls.cpu_per_call(),
                        load,
                    );
                }
                if wanted(Figure::P10) {
                    self.note(
                        Figure::P10,
                        Metric::CallRate,
                        round,
                        peer,
                        calls.per_second(),
                        load,
                    );
                }
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        figure: Figure,
        metric: Metric,
        round: u32,
        peer: Peer,
        value: f64,
        load: f64,
    ) {
        let (what, unit) = metric.describe();
        let measurement = Measurement {
            figure,
            metric,
            round,
            peer,
            value,
            unit,
            load,
        };
        println!("{figure:?} {what}, round {round}: {peer} {value:.3} {unit}, load {load}");
        self.measured.push(measurement);
    }
}

/// The peers in the order of this round: every other round backwards.
fn turns(round: u32, peers: &[Peer]) -> Vec<Peer> {
    let mut turns = peers.to_vec();
    if round.is_multiple_of(2) {
        turns.reverse();
    }
    turns
}

/// Resident memory in MB (10^6 bytes) after a rest.
fn rest_and_weigh(process: &Process) -> Result<f64> {
    let until = Instant::now() + IDLE;
    thread::sleep(until.saturating_duration_since(Instant::now()));
    let kib = u32::try_from(process.resident_kib()?)?;
    Ok(f64::from(kib) * 1024.0 / 1e6)
}

/// The value below which this part of the values lies.
pub(crate) fn percentile(mut values: Vec<f64>, part: f64) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).context("no values")?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into few values"
    )]
    let at = (last as f64 * part).round() as usize;
    values.get(at).copied().context("an index below the length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_take_turns() {
        let peers = [Peer::Ours, Peer::Reference];
        assert_eq!(turns(1, &peers), [Peer::Ours, Peer::Reference]);
        assert_eq!(turns(2, &peers), [Peer::Reference, Peer::Ours]);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(values.clone(), 0.5).unwrap(), 50.0);
        assert_eq!(percentile(values.clone(), 0.99).unwrap(), 99.0);
        assert_eq!(percentile(vec![7.0], 0.99).unwrap(), 7.0);
        assert!(percentile(Vec::new(), 0.5).is_err());
    }
}
