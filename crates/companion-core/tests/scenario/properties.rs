//! Whatever happens in whatever order, some things never do.

use crate::harness::*;
use companion_core::{
    Command, Credential, Ended, Input, OpenFailure, Socket, Timer, VaultTrouble,
    command::{Access, SetupText},
};
use gateway_protocol::{Role, Scopes};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Happening {
    Hello(Role),
    Refusal(Role, &'static str),
    Unreachable(Role),
    Closed(Role),
    TimerFires(usize),
    StoreBreaks(bool),
    Reconnect,
    Paste(u32, bool),
    VaultLocks,
    VaultOpens,
    Forget,
    Quit,
}

const REFUSALS: [&str; 8] = [
    "PAIRING_REQUIRED",
    "AUTH_BOOTSTRAP_TOKEN_INVALID",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    "AUTH_TOKEN_MISMATCH",
    "AUTH_RATE_LIMITED",
    "DEVICE_AUTH_SIGNATURE_INVALID",
    "PROTOCOL_MISMATCH",
    "SOMETHING_NEW",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_a_promise(happenings in prop::collection::vec(happening(), 1..60), loopback: bool) {
        let url = if loopback { LOOPBACK } else { REMOTE };
        let mut it = Scenario::start();
        let mut watch = Watch::default();
        for happening in happenings {
            watch.before(&mut it, &happening);
            let began = play(&mut it, &happening, url) && watch.is_another_code(&happening);
            if began {
                watch = Watch {
                    code: happening.code(), quit: watch.quit, forgotten: it.forgotten.len(), ..Watch::default() };
            }
            watch.after(&mut it)?;
        }
    }
}

/// What is promised, checked from outside.
#[derive(Default)]
struct Watch {
    /// Number of the code that is being redeemed.
    code: Option<u32>,
    /// Roles whose token was durable since the last pasted code.
    durable: BTreeSet<Role>,
    /// The gateway refused something since then, so the code may be given up.
    refused: bool,
    forgotten: usize,
    quit: bool,
    dialled_before: usize,
}

impl Happening {
    fn code(&self) -> Option<u32> {
        match self {
            Self::Paste(number, _) => Some(*number),
            Self::Hello(_)
            | Self::Refusal(..)
            | Self::Unreachable(_)
            | Self::Closed(_)
            | Self::TimerFires(_)
            | Self::StoreBreaks(_)
            | Self::Reconnect
            | Self::VaultLocks
            | Self::VaultOpens
            | Self::Forget
            | Self::Quit => None,
        }
    }
}

impl Watch {
    /// Pasting the same code again only goes on with it.
    fn is_another_code(&self, happening: &Happening) -> bool {
        happening.code() != self.code || self.code.is_none()
    }

    fn before(&mut self, it: &mut Scenario, happening: &Happening) {
        match happening {
            Happening::Hello(role) if !it.store_fails && it.open(*role).is_some() => {
                self.durable.insert(*role);
            }
            Happening::TimerFires(_) if !it.store_fails => {
                // tokens that were only in memory may be stored now
                self.durable.extend(it.connected_roles());
            }
            Happening::Refusal(
                role,
                "AUTH_BOOTSTRAP_TOKEN_INVALID"
                | "AUTH_TOKEN_MISMATCH"
                | "AUTH_DEVICE_TOKEN_MISMATCH",
            ) => {
                let dial = it.open(*role);
                self.refused |= dial.is_some_and(|dial| dial.credential == Credential::Bootstrap);
            }
            Happening::Quit => self.quit = true,
            Happening::Hello(_)
            | Happening::Refusal(..)
            | Happening::TimerFires(_)
            | Happening::Unreachable(_)
            | Happening::Closed(_)
            | Happening::StoreBreaks(_)
            | Happening::Reconnect
            | Happening::VaultLocks
            | Happening::VaultOpens
            | Happening::Paste(..)
            | Happening::Forget => {}
        }
        self.forgotten = it.forgotten.len();
        self.dialled_before = it.sockets.len();
    }

    fn after(&self, it: &mut Scenario) -> Result<(), TestCaseError> {
        for role in Role::ALL {
            let live = it.live(role);
            prop_assert!(live.len() <= 1, "{role}: {live:?} are all open");
        }
        let new = &it.forgotten[self.forgotten.min(it.forgotten.len())..];
        let expired = it.now.wall.0 >= CODES_END;
        if new.contains(&Credential::Bootstrap) && !self.refused && !expired {
            prop_assert_eq!(
                self.durable.len(),
                2,
                "the bootstrap token went while a role still needed it"
            );
        }
        if self.quit {
            prop_assert_eq!(
                it.sockets.len(),
                self.dialled_before,
                "dialled after quitting"
            );
        }
        let shown = format!("{:?}", it.snapshot());
        prop_assert!(!shown.contains("token-"), "a secret is in the snapshot");
        Ok(())
    }
}

/// Says whether a new pairing began or the old one was dropped.
fn play(it: &mut Scenario, happening: &Happening, url: &str) -> bool {
    match happening {
        Happening::Hello(role) => {
            if let Some(dial) = it.open(*role) {
                let scopes = if *role == Role::Node {
                    Scopes::none()
                } else {
                    dial.scopes.clone()
                };
                it.welcomes(&dial, scopes);
            }
        }
        Happening::Refusal(role, code) => {
            if let Some(dial) = it.open(*role) {
                it.refuses(&dial, json!({"code": code, "requestId": "r"}));
            }
        }
        Happening::Unreachable(role) => {
            if let Some(dial) = it.open(*role) {
                it.tell(Input::OpenFailed(dial.socket, OpenFailure::Unreachable));
            }
        }
        Happening::Closed(role) => {
            if let Some(socket) = it.live(*role).into_iter().next()
                && it.open(*role).is_none()
            {
                it.tell(Input::Closed(
                    socket,
                    Ended {
                        code: None,
                        lived_ms: 5,
                    },
                ));
            }
        }
        Happening::TimerFires(which) => {
            if !it.timers.is_empty() {
                let wanted = it.timers[which % it.timers.len()].0.clone();
                it.fires(|timer: &Timer| *timer == wanted);
            }
        }
        Happening::StoreBreaks(broken) => it.store_fails = *broken,
        Happening::Reconnect => drop(it.sends(Command::Reconnect {
            gateway: None,
            role: None,
        })),
        Happening::Paste(number, approve_node) => {
            let code = SetupText::new(code(url, *number));
            return it
                .sends(Command::Pair {
                    code,
                    access: Access::Full,
                    approve_node: *approve_node,
                })
                .is_ok();
        }
        Happening::VaultLocks => it.tell(Input::VaultFailed(VaultTrouble::Locked)),
        Happening::VaultOpens => it.reopens_vault(),
        Happening::Forget => {
            if let Some(gateway) = it.snapshot().gateways.first() {
                return it
                    .sends(Command::Forget {
                        gateway: gateway.id.to_string(),
                    })
                    .is_ok();
            }
        }
        Happening::Quit => drop(it.sends(Command::Quit)),
    }
    false
}

fn happening() -> impl Strategy<Value = Happening> {
    let role = prop_oneof![Just(Role::Operator), Just(Role::Node)];
    let refusal = prop::sample::select(REFUSALS.to_vec());
    prop_oneof![
        8 => role.clone().prop_map(Happening::Hello),
        4 => (role.clone(), refusal).prop_map(|(role, code)| Happening::Refusal(role, code)),
        3 => role.clone().prop_map(Happening::Unreachable),
        3 => role.prop_map(Happening::Closed),
        6 => any::<usize>().prop_map(Happening::TimerFires),
        2 => any::<bool>().prop_map(Happening::StoreBreaks),
        1 => Just(Happening::Reconnect),
        3 => (0..4_u32, any::<bool>()).prop_map(|(number, approve)| Happening::Paste(number, approve)),
        1 => Just(Happening::VaultLocks),
        1 => Just(Happening::VaultOpens),
        1 => Just(Happening::Forget),
        1 => Just(Happening::Quit),
    ]
}

/// The runtime's view of sockets, as far as the harness plays it.
impl Scenario {
    /// Dialled and neither closed by us nor ended.
    fn live(&self, role: Role) -> Vec<Socket> {
        let of_role = self.sockets.iter().filter(|socket| socket.role == role);
        of_role
            .filter(|socket| !self.closed.contains(socket) && !self.ended.contains(socket))
            .cloned()
            .collect()
    }

    /// The dial under way in this role.
    fn open(&self, role: Role) -> Option<companion_core::Dial> {
        let live = self.live(role);
        self.dialled
            .iter()
            .find(|dial| live.contains(&dial.socket))
            .cloned()
    }

    fn connected_roles(&self) -> Vec<Role> {
        Role::ALL
            .into_iter()
            .filter(|role| self.open(*role).is_none() && !self.live(*role).is_empty())
            .collect()
    }
}
