//! The table, and the page that keeps it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use jiff::Zoned;

use crate::{
    bars::{BARS, Bar, Metric},
    figures::{Measurement, percentile},
    peers::Peer,
};

/// The machine at one moment.
#[derive(Debug)]
pub(crate) struct Machine {
    time: Zoned,
    load: f64,
}

impl Machine {
    pub(crate) fn now() -> Result<Self> {
        Ok(Self {
            time: Zoned::now(),
            load: load()?,
        })
    }
}

/// Load average of the last minute.
pub(crate) fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("this needs Linux")?;
    let first = text.split_whitespace().next();
    Ok(first.context("a load average")?.parse()?)
}

/// The result of one run.
#[derive(Debug)]
pub(crate) struct Report<'m> {
    before: Machine,
    after: Machine,
    measured: &'m [Measurement],
    rows: Vec<String>,
}

impl<'m> Report<'m> {
    pub(crate) fn new(before: Machine, measured: &'m [Measurement]) -> Result<Self> {
        let figures = BARS
            .iter()
            .filter(|bar| measured.iter().any(|m| m.figure == bar.figure));
        let rows = figures
            .map(|bar| row(bar, measured))
            .collect::<Result<_>>()?;
        Ok(Self {
            before,
            after: Machine::now()?,
            measured,
            rows,
        })
    }

    /// One line per bar.
    pub(crate) fn table(&self) -> String {
        self.rows
            .iter()
            .fold(String::new(), |table, row| table + row + "\n")
    }

    /// Writes `docs/performance/<date>.md`; gives its path.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance");
        fs::create_dir_all(&directory)?;
        let date = self.before.time.strftime("%Y-%m-%d");
        let file = directory.canonicalize()?.join(format!("{date}.md"));
        fs::write(&file, self.page()?)?;
        Ok(file)
    }

    fn page(&self) -> Result<String> {
        let mut page = String::new();
        let (before, after) = (&self.before, &self.after);
        let time = |machine: &Machine| machine.time.strftime("%Y-%m-%d %H:%M %Z").to_string();
        writeln!(
            page,
            "# Performance, {}\n",
            before.time.strftime("%Y-%m-%d")
        )?;
        writeln!(
            page,
            "`cargo xtask bench`, from {} (load {}) to {} (load {}).",
            time(before),
            before.load,
            time(after),
            after.load
        )?;
        writeln!(page, "{}.\n", hardware()?)?;
        writeln!(
            page,
            "R is the reference client in Node 24, N is `openclaw node run`, F is a minimal client. Medians over the rounds; the peers"
        )?;
        writeln!(
            page,
            "take turns, every other round backwards. All talk to the same fake server, a process of\nits own, without TLS; only the memory of N is read beside a real gateway.\n"
        )?;
        writeln!(
            page,
            "```text\n{}```\n\nRaw lines:\n\n```json",
            self.table()
        )?;
        for measurement in self.measured {
            writeln!(page, "{}", serde_json::to_string(measurement)?)?;
        }
        writeln!(page, "```")?;
        Ok(page)
    }
}

fn row(bar: &Bar, measured: &[Measurement]) -> Result<String> {
    let (what, unit) = bar.metric.describe();
    let of = |peer| median(measured, bar.metric, peer);
    let figure = format!("{:?}", bar.figure);
    let (Some(ours), Some(theirs)) = (of(Peer::Ours)?, of(bar.against)?) else {
        return Ok(format!(
            "{figure:<3} {what} | not measured against {}",
            bar.against
        ));
    };
    let ratio = ours / theirs;
    let mut row = format!(
        "{figure:<3} {what} | ours {} {unit} | {} {} {unit}",
        short(ours),
        bar.against,
        short(theirs),
    );
    if let Some(bare) = of(Peer::Bare)? {
        write!(row, " | F {} {unit}", short(bare))?;
    }
    write!(
        row,
        " | ratio {ratio:.4} | must {}",
        verdict(bar, ratio, bar.must)
    )?;
    if let Some(aim) = bar.aim {
        write!(row, " | aim {}", verdict(bar, ratio, aim))?;
    }
    Ok(row)
}

fn verdict(bar: &Bar, ratio: f64, limit: f64) -> String {
    let (sign, reached) = if bar.more_is_better() {
        (">=", ratio >= limit)
    } else {
        ("<=", ratio <= limit)
    };
    format!("{sign} {limit} {}", if reached { "ok" } else { "MISSED" })
}

fn median(measured: &[Measurement], metric: Metric, peer: Peer) -> Result<Option<f64>> {
    let these = measured
        .iter()
        .filter(|m| m.metric == metric && m.peer == peer);
    let values: Vec<f64> = these.map(|m| m.value).collect();
    if values.is_empty() {
        return Ok(None);
    }
    percentile(values, 0.5).map(Some)
}

fn short(value: f64) -> String {
    match value {
        large if large >= 1000.0 => format!("{large:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small => format!("{small:.3}"),
    }
}

fn hardware() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{model}, {cores} cores, Linux {}", kernel.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::Figure;

    #[test]
    fn a_row_compares_medians_and_says_what_was_reached() {
        let ours =
            [5.0, 9.0, 6.0].map(|value| measurement(Metric::SpawnToHello, Peer::Ours, value));
        let theirs = [30.0, 90.0, 25.0]
            .map(|value| measurement(Metric::SpawnToHello, Peer::Reference, value));
        let measured = [ours, theirs].concat();
        assert_eq!(
            row(&BARS[0], &measured).unwrap(),
            "P1  headless, spawn to hello | ours 6.000 ms | R 30.0 ms | ratio 0.2000 | must <= 0.25 ok | aim <= 0.15 MISSED"
        );
        assert_eq!(
            row(&BARS[1], &measured).unwrap(),
            "P1  headless, spawn to hello | not measured against N"
        );
    }

    #[test]
    fn a_rate_should_be_higher() {
        let bar = BARS.iter().find(|bar| bar.more_is_better()).unwrap();
        let measured = [
            measurement(Metric::CallRate, Peer::Ours, 65_000.0),
            measurement(Metric::CallRate, Peer::Reference, 50_000.0),
            measurement(Metric::CallRate, Peer::Bare, 80_000.0),
        ];
        assert_eq!(
            row(bar, &measured).unwrap(),
            "P10 calls per second, 64 in flight | ours 65000 /s | R 50000 /s | F 80000 /s | ratio 1.3000 | must >= 1.2 ok | aim >= 1.45 MISSED"
        );
    }

    #[test]
    fn the_page_has_the_table_and_every_raw_line() {
        let measured = [
            measurement(Metric::SpawnToHello, Peer::Ours, 5.0),
            measurement(Metric::SpawnToHello, Peer::Reference, 50.0),
        ];
        let report = Report::new(Machine::now().unwrap(), &measured).unwrap();
        let page = report.page().unwrap();
        assert!(page.contains(&report.table()), "{page}");
        let raw = r#"{"figure":"P1","metric":"spawn_to_hello","round":1,"peer":"reference","value":50.0,"unit":"","load":0.0}"#;
        assert!(page.contains(raw), "{page}");
        assert!(page.contains("(load "), "{page}");
    }

    fn measurement(metric: Metric, peer: Peer, value: f64) -> Measurement {
        Measurement {
            figure: Figure::P1,
            metric,
            round: 1,
            peer,
            value,
            unit: "",
            load: 0.0,
        }
    }
}
