//! Tray by the `tray-icon` crate, which wants the main thread and its event loop.

use crate::icons::pictures;
use companion_core::tray::{MenuAction, MenuItem, Tray};
use std::{process::ExitCode, thread};
use tokio::sync::mpsc;
use tray_icon::{
    Icon, TrayIcon, TrayIconBuilder,
    menu::{Menu, MenuEvent, MenuId, MenuItem as Entry, PredefinedMenuItem},
};
use winit::{
    application::ApplicationHandler,
    event::WindowEvent,
    event_loop::{ActiveEventLoop, EventLoop, EventLoopProxy},
    window::WindowId,
};

/// Where a tray icon can be shown.
#[derive(Debug)]
pub(crate) struct TrayPlace(Option<EventLoopProxy<Order>>);

/// The icon, as long as it is shown.
#[derive(Debug)]
pub(crate) struct ShownTray(EventLoopProxy<Order>);

#[derive(Debug)]
pub(crate) enum Order {
    Show(Tray, mpsc::UnboundedSender<MenuAction>),
    Update(Tray),
    Pressed(MenuId),
    End,
}

/// Runs `work` on a thread of its own while this one serves the tray.
pub(crate) fn with_event_loop(
    work: impl FnOnce(TrayPlace) -> ExitCode + Send + 'static,
) -> ExitCode {
    let mut builder = EventLoop::<Order>::with_user_event();
    super::stay_in_the_background(&mut builder);
    let Ok(event_loop) = builder.build() else {
        return work(TrayPlace(None));
    };
    let proxy = event_loop.create_proxy();
    let presses = proxy.clone();
    MenuEvent::set_event_handler(Some(move |event: MenuEvent| {
        // the loop is gone only when the program ends
        let _ = presses.send_event(Order::Pressed(event.id));
    }));
    let worker = thread::spawn(move || {
        let code = work(TrayPlace(Some(proxy.clone())));
        let _ = proxy.send_event(Order::End);
        code
    });
    let mut host = Host::default();
    if let Err(error) = event_loop.run_app(&mut host) {
        tracing::warn!(%error, "the tray's event loop ended");
    }
    worker.join().unwrap_or(ExitCode::FAILURE)
}

impl TrayPlace {
    /// Shows the icon. `None` where the system gives no event loop.
    #[expect(clippy::unused_async, reason = "the same signature on every system")]
    pub(crate) async fn show(
        self,
        tray: Tray,
        pressed: mpsc::UnboundedSender<MenuAction>,
    ) -> Option<ShownTray> {
        let proxy = self.0?;
        proxy.send_event(Order::Show(tray, pressed)).ok()?;
        Some(ShownTray(proxy))
    }
}

impl ShownTray {
    /// Shows this from now on.
    #[expect(clippy::unused_async, reason = "the same signature on every system")]
    pub(crate) async fn update(&self, tray: Tray) {
        // the loop is gone only when the program ends
        let _ = self.0.send_event(Order::Update(tray));
    }
}

#[derive(Default)]
struct Host {
    icon: Option<TrayIcon>,
    menu: Vec<MenuItem>,
    pressed: Option<mpsc::UnboundedSender<MenuAction>>,
}

impl ApplicationHandler<Order> for Host {
    fn resumed(&mut self, _event_loop: &ActiveEventLoop) {}

    fn window_event(
        &mut self,
        _event_loop: &ActiveEventLoop,
        _window: WindowId,
        _event: WindowEvent,
    ) {
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, order: Order) {
        match order {
            // the loop hands out orders only while it runs, which macOS wants before there is an icon
            Order::Show(tray, pressed) => {
                self.pressed = Some(pressed);
                self.icon = build(&tray)
                    .map_err(|error| tracing::warn!(%error, "no tray icon"))
                    .ok();
                self.menu = tray.menu;
            }
            Order::Update(tray) => self.show(tray),
            Order::Pressed(entry) => {
                let action = ACTIONS.into_iter().find(|action| id(*action) == entry);
                if let (Some(action), Some(pressed)) = (action, &self.pressed) {
                    // nobody listens once the companion ends
                    let _ = pressed.send(action);
                }
            }
            Order::End => event_loop.exit(),
        }
    }
}

impl Host {
    fn show(&mut self, tray: Tray) {
        let Some(shown) = &self.icon else { return };
        // an open menu closes when it is replaced
        if tray.menu != self.menu {
            shown.set_menu(Some(Box::new(render(&tray.menu))));
            self.menu = tray.menu;
        }
        let told = shown
            .set_icon(icon(tray.icon))
            .and(shown.set_tooltip(Some(&tray.tooltip)));
        if let Err(error) = told {
            tracing::warn!(%error, "the tray icon could not be changed");
        }
    }
}

/// Complete from the start: a taskbar that comes later, as when logging in, shows what was given here.
fn build(tray: &Tray) -> tray_icon::Result<TrayIcon> {
    let builder = TrayIconBuilder::new()
        .with_tooltip(&tray.tooltip)
        .with_menu(Box::new(render(&tray.menu)));
    match icon(tray.icon) {
        Some(icon) => builder.with_icon(icon),
        None => builder,
    }
    .build()
}

const ACTIONS: [MenuAction; 2] = [MenuAction::Open, MenuAction::Quit];

/// The same in every menu, so that a press counts also when the menu changes meanwhile.
fn id(action: MenuAction) -> MenuId {
    MenuId::new(match action {
        MenuAction::Open => "open",
        MenuAction::Quit => "quit",
    })
}

fn render(items: &[MenuItem]) -> Menu {
    let menu = Menu::new();
    for item in items {
        let added = match item {
            MenuItem::Separator => menu.append(&PredefinedMenuItem::separator()),
            MenuItem::Line(text) => menu.append(&Entry::new(label(text), false, None)),
            MenuItem::Action(action, text) => {
                menu.append(&Entry::with_id(id(*action), label(text), true, None))
            }
        };
        if let Err(error) = added {
            tracing::warn!(%error, "a menu line could not be shown");
        }
    }
    menu
}

/// A single ampersand would mark an access key.
fn label(text: &str) -> String {
    text.replace('&', "&&")
}

fn icon(state: companion_core::tray::TrayIcon) -> Option<Icon> {
    let largest = pictures(state).into_iter().next_back()?;
    Icon::from_rgba(largest.rgba, largest.width, largest.height).ok()
}
