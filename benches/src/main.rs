//! Measures Claw Companion beside its peers, in one run on one machine, and prints ratios.
//!
//! `companion-bench [p1 p3 p4 p7 p8 p9 p10]` starts everything else itself: the server of all figures and every client are
//! processes of their own. Needs a release build of `claw-companion`; installs the peers once per machine.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod bars;
mod client;
mod fake_server;
mod figures;
mod peers;
mod platform;
mod process;
mod report;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use bars::Figure;
use client::{Client, Task};

#[derive(Debug, Parser)]
#[command(about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The figures to measure; all when none is named.
    figures: Vec<Figure>,
    /// The program to measure; by default the one beside this program.
    #[arg(long)]
    companion: Option<PathBuf>,
    /// How often to measure each figure.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Writes the result to `docs/performance/<date>.md` too.
    #[arg(long)]
    write: bool,
}

/// What this program is when it starts itself.
#[derive(Debug, Subcommand)]
enum Part {
    /// The server of all figures.
    #[command(hide = true)]
    FakeServer,
    /// A client of it.
    #[command(hide = true)]
    Client {
        client: Client,
        #[command(subcommand)]
        task: Task,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match arguments.part {
        Some(Part::FakeServer) => runtime.block_on(fake_server::serve()),
        Some(Part::Client { client, task }) => runtime.block_on(client::run(client, task)),
        None => measure(&runtime, arguments),
    }
}

fn measure(runtime: &tokio::runtime::Runtime, arguments: Arguments) -> Result<()> {
    let figures = if arguments.figures.is_empty() {
        Figure::ALL.to_vec()
    } else {
        arguments.figures
    };
    let peers = runtime.block_on(peers::Peers::ready(arguments.companion))?;
    let before = report::Machine::now()?;
    let measured = figures::measure(&figures, arguments.rounds, &peers, runtime)?;
    let report = report::Report::new(before, &measured)?;
    print!("{}", report.table());
    if arguments.write {
        let file = report.write()?;
        println!("written to {}", file.display());
    }
    Ok(())
}
