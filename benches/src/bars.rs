//! What is measured, and the bar for it.

use clap::ValueEnum;
use serde::Serialize;

use crate::peers::Peer;

/// A row of the table of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
pub(crate) enum Figure {
    /// Headless: from spawn to hello.
    P1,
    /// Headless: memory when idle, operator and node connected.
    P3,
    /// In the tray, no window: memory of the whole tree, connected.
    P4,
    /// From dial to hello, signed.
    P7,
    /// Processor time of the client per call.
    P8,
    /// Latency of a call, one in flight.
    P9,
    /// Calls per second, 64 in flight.
    P10,
}

impl Figure {
    pub(crate) const ALL: [Self; 7] = [
        Self::P1,
        Self::P3,
        Self::P4,
        Self::P7,
        Self::P8,
        Self::P9,
        Self::P10,
    ];
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    SpawnToHello,
    HeadlessMemory,
    TrayMemory,
    DialToHello,
    CpuPerCall,
    CpuPerCallOf64,
    CallP50,
    CallP99,
    CallRate,
}

impl Metric {
    pub(crate) fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::SpawnToHello => ("headless, spawn to hello", "ms"),
            Self::HeadlessMemory => ("headless, resident memory", "MB"),
            Self::TrayMemory => ("in the tray, resident memory", "MB"),
            Self::DialToHello => ("dial to hello", "ms"),
            Self::CpuPerCall => ("cpu per call, 1 in flight", "us"),
            Self::CpuPerCallOf64 => ("cpu per call, 64 in flight", "us"),
            Self::CallP50 => ("call p50, 1 in flight", "us"),
            Self::CallP99 => ("call p99, 1 in flight", "us"),
            Self::CallRate => ("calls per second, 64 in flight", "/s"),
        }
    }
}

/// The bar: our value divided by the peer's.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) figure: Figure,
    pub(crate) metric: Metric,
    pub(crate) against: Peer,
    pub(crate) must: f64,
    pub(crate) aim: Option<f64>,
}

impl Bar {
    /// More is better.
    pub(crate) fn more_is_better(&self) -> bool {
        self.metric == Metric::CallRate
    }
}

pub(crate) const BARS: &[Bar] = &[
    bar(
        Figure::P1,
        Metric::SpawnToHello,
        Peer::Reference,
        0.25,
        Some(0.15),
    ),
    bar(
        Figure::P1,
        Metric::SpawnToHello,
        Peer::NodeHost,
        0.005,
        None,
    ),
    bar(
        Figure::P3,
        Metric::HeadlessMemory,
        Peer::Reference,
        0.30,
        Some(0.20),
    ),
    bar(
        Figure::P3,
        Metric::HeadlessMemory,
        Peer::NodeHost,
        0.05,
        None,
    ),
    bar(
        Figure::P4,
        Metric::TrayMemory,
        Peer::NodeHost,
        0.05,
        Some(0.03),
    ),
    bar(
        Figure::P7,
        Metric::DialToHello,
        Peer::Reference,
        0.50,
        Some(0.30),
    ),
    bar(
        Figure::P8,
        Metric::CpuPerCall,
        Peer::Reference,
        0.60,
        Some(0.45),
    ),
    bar(
        Figure::P8,
        Metric::CpuPerCallOf64,
        Peer::Reference,
        0.60,
        Some(0.45),
    ),
    bar(
        Figure::P9,
        Metric::CallP50,
        Peer::Reference,
        0.85,
        Some(0.75),
    ),
    bar(Figure::P9, Metric::CallP99, Peer::Reference, 1.0, None),
    bar(
        Figure::P10,
        Metric::CallRate,
        Peer::Reference,
        1.2,
        Some(1.45),
    ),
];

const fn bar(figure: Figure, metric: Metric, against: Peer, must: f64, aim: Option<f64>) -> Bar {
    Bar {
        figure,
        metric,
        against,
        must,
        aim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_bar() {
        for figure in Figure::ALL {
            assert!(BARS.iter().any(|bar| bar.figure == figure), "{figure:?}");
        }
    }
}
