//! The program that runs all day must not load what only the window needs: merely linking it costs time and memory.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use test_support::program;

/// How the libraries of GTK and of the web view begin.
const OF_THE_WINDOW: [&str; 4] = ["libgtk-", "libgdk-", "libwebkit2gtk-", "libjavascriptcore"];

#[test]
fn the_companion_links_neither_gtk_nor_a_web_view() {
    let libraries = libraries("claw-companion", "CLAW_COMPANION_BIN");
    for library in OF_THE_WINDOW {
        assert!(!libraries.contains(library), "{library}: {libraries}");
    }
}

#[test]
fn the_window_links_them_all() {
    let libraries = libraries(ui_tests::WINDOW, "CLAW_COMPANION_WINDOW_BIN");
    for library in OF_THE_WINDOW {
        assert!(libraries.contains(library), "no {library}: {libraries}");
    }
}

/// What the loader would load, indirect libraries too.
fn libraries(name: &str, variable: &str) -> String {
    let listed = Command::new("ldd").arg(program(name, variable)).output();
    let listed = listed.expect("ldd is installed");
    assert!(listed.status.success(), "{listed:?}");
    let libraries = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(libraries.contains("libc.so"), "{libraries}");
    libraries
}
