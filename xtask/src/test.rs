//! Every test there is, in layers: core, gateway, UI.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::programs::{self, Profile};
use crate::tally::{self, Tally};
use crate::{bindings, cross, node, setup, shell, tidy, ui};

#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Only this layer
    layer: Option<Layer>,
    /// Also the slow tests, and Windows and macOS
    #[arg(long)]
    long: bool,
    /// Leave out what needs a desktop
    #[arg(long)]
    without_desktop: bool,
    /// Leave out what needs a real gateway
    #[arg(long)]
    without_gateway: bool,
    /// Leave out Windows and macOS, which need root and a Debian chroot (only with --long)
    #[arg(long)]
    without_cross: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layer {
    /// Crates, UI, bindings and tidy: no gateway, no desktop
    Core,
    /// The companion with a real gateway
    Gateway,
    /// The built programs on a desktop
    Ui,
}

pub(crate) fn main(options: &Options) -> Result<ExitCode> {
    setup::for_build()?;
    if options.desktop() {
        setup::for_desktop_tests()?;
    }
    ui::build()?;

    let mut tally = Tally::default();
    if options.wants(Layer::Core) {
        core(options, &mut tally);
    }
    if options.gateway() || options.desktop() {
        tally.add("both programs, built", || real(options));
    }
    if options.cross() {
        tally.add("Windows and macOS", || {
            cross::all(&cross::Options::default())
        });
    }
    report(options, &tally);
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn core(options: &Options, tally: &mut Tally) {
    tally.check("tidy", tidy::main);
    tally.check("types of the UI", ui::check);
    tally.add("tests of the UI", || {
        tally::vitest(node::npm_for_ui()?.args(["test"]))
    });
    tally.add("tests of the crates", || {
        let types = bindings::export_folder()?;
        let mut tally =
            tally::cargo(cargo_test(options, &[], &[]).env("TS_RS_EXPORT_DIR", &types))?;
        tally.check("TypeScript types of the core", || bindings::compare(&types));
        Ok(tally)
    });
}

fn real(options: &Options) -> Result<Tally> {
    let programs = programs::build(Profile::Debug)?;
    let mut tally = Tally::default();
    let layer = |tally: &mut Tally, what: &str, packages: &[&str]| {
        // One gateway or desktop at a time: each takes most of a small machine.
        let mut cargo = cargo_test(
            options,
            packages,
            &["--test-threads=1", "--skip", cross::UNDER_WINE],
        );
        cargo
            .env("CLAW_COMPANION_BIN", &programs.companion)
            .env("CLAW_COMPANION_WINDOW_BIN", &programs.window);
        tally.add(what, || tally::cargo(&mut cargo));
    };
    if options.gateway() {
        layer(
            &mut tally,
            "tests of the test support and the bench",
            &["--package", "test-support", "--package", "companion-bench"],
        );
        layer(
            &mut tally,
            "tests with a real gateway",
            &["--package", "gateway-tests"],
        );
        tally.add("the private gateway, installed and started", || {
            let real = ["--package", "local-gateways", "--test", "real"];
            tally::cargo(&mut cargo_test(options, &real, &["--include-ignored"]))
        });
    }
    if options.desktop() {
        layer(
            &mut tally,
            "tests of the built programs on a desktop",
            &["--package", "ui-tests"],
        );
    }
    Ok(tally)
}

fn cargo_test(options: &Options, selection: &[&str], harness: &[&str]) -> Command {
    let mut cargo = shell::cargo();
    cargo
        .args(["test", "--no-fail-fast"])
        .args(selection)
        .arg("--")
        .args(harness);
    if options.long {
        cargo.arg("--include-ignored");
    }
    cargo
}

fn report(options: &Options, tally: &Tally) {
    println!();
    for trouble in &tally.troubles {
        println!("failed: {trouble}");
    }
    for left_out in options.left_out() {
        println!("left out: {left_out}");
    }
    if tally.ignored > 0 {
        println!(
            "not run: {} slow or special tests, see `cargo xtask test --long`",
            tally.ignored
        );
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
}

impl Options {
    fn wants(&self, layer: Layer) -> bool {
        self.layer.is_none_or(|only| only == layer)
    }

    fn gateway(&self) -> bool {
        self.wants(Layer::Gateway) && !self.without_gateway
    }

    fn desktop(&self) -> bool {
        self.wants(Layer::Ui) && !self.without_desktop
    }

    fn cross(&self) -> bool {
        self.long && self.layer.is_none() && !self.without_cross
    }

    fn left_out(&self) -> Vec<&'static str> {
        let mut left_out = Vec::new();
        if self.without_gateway {
            left_out.push("tests with a real gateway (--without-gateway)");
        }
        if self.without_desktop {
            left_out.push("tests of the built programs on a desktop (--without-desktop)");
        }
        if self.without_cross {
            left_out.push("Windows and macOS (--without-cross)");
        }
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_slow_part_runs_when_nothing_is_said() {
        let options = Options::default();
        assert!(options.wants(Layer::Core) && options.gateway() && options.desktop());
        assert!(!options.cross());
        assert!(options.left_out().is_empty());
    }

    #[test]
    fn one_layer_runs_alone() {
        let options = Options {
            layer: Some(Layer::Gateway),
            long: true,
            ..Options::default()
        };
        assert!(options.gateway());
        assert!(!options.wants(Layer::Core) && !options.desktop() && !options.cross());
    }

    #[test]
    fn what_was_left_out_is_said() {
        let options = Options {
            without_desktop: true,
            ..Options::default()
        };
        assert!(options.gateway() && !options.desktop());
        assert_eq!(
            options.left_out(),
            ["tests of the built programs on a desktop (--without-desktop)"]
        );
    }

    #[test]
    fn long_tests_run_the_ignored_ones() {
        let options = Options {
            long: true,
            ..Options::default()
        };
        let command = cargo_test(&options, &[], &[]);
        assert!(
            command
                .get_args()
                .any(|argument| argument == "--include-ignored")
        );
    }
}
