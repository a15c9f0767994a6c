//! The tray's icon, tooltip and menu as data: a function of the snapshot. Renderers add nothing of their own.

use crate::snapshot::{GatewayView, Overall, RoleState, Snapshot};

/// What the tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tray {
    /// Each state has a shape of its own.
    pub icon: TrayIcon,
    /// One line.
    pub tooltip: String,
    /// From top to bottom.
    pub menu: Vec<MenuItem>,
}

/// The shapes of the icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayIcon {
    /// All is well.
    Ready,
    /// On the way.
    Connecting,
    /// A person has to act.
    NeedsYou,
    /// Fails and is tried again.
    Trouble,
    /// Nothing is connected, and nothing should be.
    Offline,
    /// The node is paused.
    Paused,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuItem {
    /// A line that only tells.
    Line(String),
    /// A thin line.
    Separator,
    /// Something to press.
    Action(MenuAction, String),
}

/// What pressing an item means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuAction {
    /// Show the window.
    Open,
    /// End the companion.
    Quit,
}

impl Tray {
    /// Derives all of it.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut menu: Vec<_> = lines(snapshot).into_iter().map(MenuItem::Line).collect();
        menu.push(MenuItem::Separator);
        menu.push(MenuItem::Action(MenuAction::Open, "Open".to_owned()));
        menu.push(MenuItem::Action(MenuAction::Quit, "Quit".to_owned()));
        Self {
            icon: icon(snapshot.overall),
            tooltip: format!("Claw Companion: {}", word(snapshot.overall)),
            menu,
        }
    }
}

/// A state in words.
pub const fn word(overall: Overall) -> &'static str {
    match overall {
        Overall::Paused => "paused",
        Overall::NeedsYou => "needs you",
        Overall::Trouble => "trouble, trying again",
        Overall::Connecting => "connecting",
        Overall::Ready => "ready",
        Overall::Offline => "disconnected",
        Overall::NoGateways => "no gateway yet",
    }
}

const fn icon(overall: Overall) -> TrayIcon {
    match overall {
        Overall::Paused => TrayIcon::Paused,
        Overall::NeedsYou => TrayIcon::NeedsYou,
        Overall::Trouble => TrayIcon::Trouble,
        Overall::Connecting => TrayIcon::Connecting,
        Overall::Ready => TrayIcon::Ready,
        Overall::Offline | Overall::NoGateways => TrayIcon::Offline,
    }
}

fn lines(snapshot: &Snapshot) -> Vec<String> {
    let problems = snapshot
        .problems
        .iter()
        .map(|problem| problem.title.clone());
    let gateways = snapshot.gateways.iter().map(line);
    let mut lines: Vec<_> = problems.chain(gateways).collect();
    if lines.is_empty() {
        lines.push(match &snapshot.local_gateway {
            Some(local) => format!("Local gateway: {}", local.detail),
            None => "No gateway yet".to_owned(),
        });
    }
    lines
}

fn line(gateway: &GatewayView) -> String {
    let reason = [&gateway.operator, &gateway.node.role]
        .into_iter()
        .filter(|role| role.state != RoleState::Ready)
        .find_map(|role| role.problem.as_ref());
    match reason {
        Some(problem) => format!("{}: {}", gateway.name, problem.title),
        None => format!("{}: {}", gateway.name, word(gateway.overall)),
    }
}
