//! The clients that live in this program, each run in a process of its own. They take the same arguments as
//! `peers/reference.mjs` and answer in the same shape.

mod bare;
mod ours;

use std::{future::pending, io::Write as _, time::Instant};

use anyhow::{Context as _, Result};
use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::platform::process_cpu;

/// Which client.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Client {
    /// A minimal one: what is reachable.
    Bare,
    /// The companion's gateway client.
    Ours,
}

/// What it does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Task {
    /// Opens an operator connection and stays.
    Hello { url: String },
    /// Opens an operator and a node connection and stays.
    Idle { url: String },
    /// Opens operator connections, one after the other.
    Dial { url: String, count: usize },
    /// Calls a method, so many at a time.
    Rpc {
        url: String,
        in_flight: usize,
        count: usize,
    },
}

/// What [`Task::Dial`] prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dials {
    /// From dial to hello, each.
    pub(crate) micros: Vec<f64>,
}

/// What [`Task::Rpc`] prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Calls {
    /// From call to answer, each.
    pub(crate) micros: Vec<f64>,
    /// From the first call to the last answer.
    pub(crate) elapsed_micros: f64,
    /// Processor time of the client in that time.
    pub(crate) cpu_micros: f64,
}

impl Calls {
    /// Microseconds of processor time.
    pub(crate) fn cpu_per_call(&self) -> f64 {
        self.cpu_micros / self.count()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() / self.elapsed_micros * 1e6
    }

    fn count(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "few enough to be exact")]
        let count = self.micros.len() as f64;
        count
    }
}

/// Does the task; prints one line for the tasks that end.
pub(crate) async fn run(client: Client, task: Task) -> Result<()> {
    match client {
        Client::Bare => bare::run(task).await,
        Client::Ours => ours::run(task).await,
    }
}

/// One call in ten more, unmeasured, before the measured ones.
fn warm_up(count: usize) -> usize {
    count.div_ceil(10)
}

async fn stay() -> Result<()> {
    pending().await
}

fn micros_since(from: Instant) -> f64 {
    from.elapsed().as_secs_f64() * 1e6
}

/// Measures a run of calls.
struct Stopwatch {
    from: Instant,
    cpu: std::time::Duration,
}

impl Stopwatch {
    fn start() -> Result<Self> {
        Ok(Self {
            from: Instant::now(),
            cpu: process_cpu()?,
        })
    }

    fn stop(self, micros: Vec<f64>) -> Result<Calls> {
        let elapsed_micros = micros_since(self.from);
        let cpu = process_cpu()?
            .checked_sub(self.cpu)
            .context("processor time only grows")?;
        Ok(Calls {
            micros,
            elapsed_micros,
            cpu_micros: cpu.as_secs_f64() * 1e6,
        })
    }
}

fn say(result: &impl Serialize) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, result)?;
    Ok(writeln!(stdout)?)
}
