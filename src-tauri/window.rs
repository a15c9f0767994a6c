//! The one window.

use tauri::{App, AppHandle, Manager, Url, WebviewWindowBuilder, webview::NewWindowResponse};

/// Its name in `tauri.conf.json` and in the capability.
pub(crate) const LABEL: &str = "main";

/// Opens it as `tauri.conf.json` describes it. It shows our own page and nothing else.
pub(crate) fn open(app: &App) -> tauri::Result<()> {
    let config = app.config();
    let window = config
        .app
        .windows
        .iter()
        .find(|window| window.label == LABEL);
    let window = window.ok_or(tauri::Error::WindowNotFound)?;
    let dev_server = if tauri::is_dev() {
        config.build.dev_url.clone()
    } else {
        None
    };
    WebviewWindowBuilder::from_config(app, window)?
        .on_navigation(move |url| is_our_page(url, dev_server.as_ref()))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Brings it before other windows. A window that is just going away stays gone.
pub(crate) fn come_to_front(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else {
        return;
    };
    for done in [window.unminimize(), window.show(), window.set_focus()] {
        drop(done);
    }
}

fn is_our_page(url: &Url, dev_server: Option<&Url>) -> bool {
    let embedded = match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        _ => false,
    };
    embedded || dev_server.is_some_and(|server| server.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn only_our_own_page_is_shown() {
        for ours in [
            "tauri://localhost",
            "tauri://localhost/index.html",
            "http://tauri.localhost/",
        ] {
            assert!(is_our_page(&url(ours), None), "{ours}");
        }
        for foreign in [
            "https://example.org/",
            "http://localhost:5173/",
            "file:///etc/passwd",
            "tauri://example.org/",
        ] {
            assert!(!is_our_page(&url(foreign), None), "{foreign}");
        }
    }

    #[test]
    fn the_development_server_is_shown_while_there_is_one() {
        let server = url("http://localhost:5173/");
        assert!(is_our_page(
            &url("http://localhost:5173/index.html"),
            Some(&server)
        ));
        assert!(!is_our_page(&url("http://localhost:5174/"), Some(&server)));
    }
}
