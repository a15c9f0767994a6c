//! Tells tauri-build where the shell's files stand, since the Tauri package is the workspace's root.

use std::{error::Error, fs, io, path::Path};
use tauri_build::{AppManifest, Attributes};

fn main() -> Result<(), Box<dyn Error>> {
    ensure_web_ui()?;
    for watched in ["src-tauri/capabilities", "src-tauri/permissions", "ui/dist"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    let commands = AppManifest::new().permissions_path_pattern("./src-tauri/permissions/**/*");
    tauri_build::try_build(
        Attributes::new()
            .capabilities_path_pattern("./src-tauri/capabilities/**/*")
            .app_manifest(commands),
    )?;
    Ok(())
}

/// Without a page Tauri does not compile, and a fresh clone has none.
fn ensure_web_ui() -> io::Result<()> {
    let page = Path::new("ui/dist/index.html");
    if page.exists() {
        return Ok(());
    }
    fs::create_dir_all("ui/dist")?;
    fs::write(
        page,
        "<!doctype html><title>Claw Companion</title><p>The window was built without its page: run npm run build in ui.",
    )
}
