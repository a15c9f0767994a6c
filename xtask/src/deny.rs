//! cargo-deny, in one version for everybody.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::shell;

const VERSION: &str = "0.20.2";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Passed on to cargo-deny; without any: check bans licenses sources
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn main(options: &Options) -> Result<()> {
    let mut deny = Command::new(installed()?);
    // Else it looks at the root package alone, which is the window.
    deny.arg("--workspace");
    if options.arguments.is_empty() {
        deny.args(["check", "bans", "licenses", "sources"]);
    }
    shell::run(deny.args(&options.arguments))
}

fn installed() -> Result<PathBuf> {
    let tools = shell::cache_directory("claw-companion-tools")?;
    let program = tools
        .join("bin")
        .join(format!("cargo-deny{}", env::consts::EXE_SUFFIX));
    let said = shell::quiet_output(Command::new(&program).arg("--version"));
    if said.is_none_or(|text| !text.split_whitespace().any(|word| word == VERSION)) {
        println!("Installing cargo-deny {VERSION} into {}", tools.display());
        let mut cargo = shell::cargo();
        // An unoptimised build is ready in a fraction of the time and still checks in a second.
        cargo
            .args(["install", "--locked", "--debug", "--force", "--root"])
            .arg(&tools);
        shell::run(cargo.arg(format!("cargo-deny@{VERSION}")))?;
    }
    Ok(program)
}
