//! One role's connection to one gateway. Told what happened, it answers with what to do next. It knows nothing of
//! credentials or order: the gateway decides whether and how it may dial.

use crate::{
    backoff::{History, STABLE_MS},
    effect::{Dial, Effect, Timer},
    ids::Socket,
    input::{Ended, Welcome},
    problem::Problem,
    reaction::{APPROVAL_POLL_MS, Reaction},
    time::{Now, Timestamp},
};
use gateway_protocol::{HostClass, IssuedToken, Scopes, SignatureVersion};

#[derive(Debug)]
pub(crate) enum Connection {
    /// Not dialling: not wanted, or its turn has not come.
    Off(Off),
    /// Dialled; the handshake is under way.
    Opening(Opening),
    /// Hello was received.
    Connected(Connected),
    /// A timer is set for the next dial.
    Waiting(Waiting),
    /// A person has to approve at the gateway; asks again by a timer.
    AwaitingApproval(AwaitingApproval),
    /// Stopped until a person acts.
    Blocked(Blocked),
}

#[derive(Debug)]
pub(crate) struct Off {
    pub(crate) since: Timestamp,
    pub(crate) carry: Carry,
}

#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) since: Timestamp,
    pub(crate) dial: Dial,
    pub(crate) carry: Carry,
}

#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) since: Timestamp,
    pub(crate) dial: Dial,
    pub(crate) scopes: Scopes,
    pub(crate) tokens: Tokens,
    history: History,
}

#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    socket: Socket,
    pub(crate) problem: Option<Problem>,
    carry: Carry,
}

#[derive(Debug)]
pub(crate) struct AwaitingApproval {
    pub(crate) until: Timestamp,
    pub(crate) pending: Pending,
    socket: Socket,
    carry: Carry,
}

#[derive(Debug)]
pub(crate) struct Blocked {
    pub(crate) since: Timestamp,
    pub(crate) problem: Problem,
}

/// What one attempt hands to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carry {
    pub(crate) history: History,
    pub(crate) signature: SignatureVersion,
    /// Shown as long as the same approval is asked for again.
    pub(crate) pending: Option<Pending>,
}

/// A pairing request that waits for a person.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) since: Timestamp,
    pub(crate) request_id: Option<String>,
    pub(crate) problem: Problem,
}

/// How far the tokens of a hello are stored.
#[derive(Debug)]
pub(crate) enum Tokens {
    Saving(Vec<IssuedToken>),
    Saved,
    NotSaved(Vec<IssuedToken>),
}

type Step = (Connection, Vec<Effect>);

const SAVE_AGAIN_MS: u64 = 30_000;
/// So many failures without a reason are worth a word.
const SILENT_FAILURES: u32 = 5;

impl Connection {
    pub(crate) fn off(now: Now) -> Self {
        Self::Off(Off {
            since: now.wall,
            carry: Carry::default(),
        })
    }

    pub(crate) fn blocked(problem: Problem, now: Now) -> Self {
        Self::Blocked(Blocked {
            since: now.wall,
            problem,
        })
    }

    /// The socket whose news still count.
    pub(crate) fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Off(_) | Self::Blocked(_) => None,
            Self::Opening(state) => Some(&state.dial.socket),
            Self::Connected(state) => Some(&state.dial.socket),
            Self::Waiting(state) => Some(&state.socket),
            Self::AwaitingApproval(state) => Some(&state.socket),
        }
    }

    pub(crate) fn connected(&self) -> Option<&Connected> {
        match self {
            Self::Connected(state) => Some(state),
            Self::Off(_)
            | Self::Opening(_)
            | Self::Waiting(_)
            | Self::AwaitingApproval(_)
            | Self::Blocked(_) => None,
        }
    }

    /// Connected, and nothing of its hello can be lost any more.
    pub(crate) fn settled(&self) -> Option<&Connected> {
        self.connected()
            .filter(|state| matches!(state.tokens, Tokens::Saved))
    }

    /// What the last attempt left for the next, if it may be made now.
    pub(crate) fn may_dial(&self) -> Option<Carry> {
        match self {
            Self::Off(state) => Some(state.carry.clone()),
            Self::Opening(_)
            | Self::Connected(_)
            | Self::Waiting(_)
            | Self::AwaitingApproval(_)
            | Self::Blocked(_) => None,
        }
    }

    pub(crate) fn dial(dial: Dial, carry: Carry, now: Now) -> Step {
        let effects = vec![Effect::OpenSocket(dial.clone())];
        (
            Self::Opening(Opening {
                since: now.wall,
                dial,
                carry,
            }),
            effects,
        )
    }

    /// Starts afresh: whatever is open is closed, whatever stopped it is forgotten.
    pub(crate) fn reset(self, now: Now) -> Step {
        let effects = match &self {
            Self::Opening(Opening { dial, .. }) | Self::Connected(Connected { dial, .. }) => {
                vec![Effect::CloseSocket(dial.socket.clone())]
            }
            Self::Off(_) | Self::Waiting(_) | Self::AwaitingApproval(_) | Self::Blocked(_) => {
                vec![]
            }
        };
        (Self::off(now), effects)
    }

    pub(crate) fn opened(self, welcome: Welcome, now: Now) -> Step {
        match self {
            Self::Opening(Opening { dial, carry, .. }) => {
                let (tokens, effects) = match welcome.tokens.is_empty() {
                    true => (Tokens::Saved, vec![]),
                    false => (
                        Tokens::Saving(welcome.tokens.clone()),
                        vec![Effect::SaveDeviceTokens(
                            dial.socket.clone(),
                            welcome.tokens,
                        )],
                    ),
                };
                (
                    Self::Connected(Connected {
                        since: now.wall,
                        dial,
                        scopes: welcome.scopes,
                        tokens,
                        history: carry.history,
                    }),
                    effects,
                )
            }
            other @ (Self::Off(_)
            | Self::Connected(_)
            | Self::Waiting(_)
            | Self::AwaitingApproval(_)
            | Self::Blocked(_)) => (other, vec![]),
        }
    }

    /// A dial failed, or a connection ended as if it had.
    pub(crate) fn failed(self, reaction: Reaction, host: HostClass, now: Now) -> Step {
        let Self::Opening(Opening { dial, carry, .. }) = self else {
            return (self, vec![]);
        };
        let socket = dial.socket;
        match reaction {
            Reaction::Retry { after_ms, problem } => {
                let place = format!("{}:{}", dial.endpoint.host(), dial.endpoint.port());
                let lasts = carry.history.failures >= SILENT_FAILURES;
                let problem =
                    problem.or_else(|| lasts.then(|| Problem::gateway_unreachable(&place)));
                let history = if after_ms.is_some() {
                    carry.history
                } else {
                    carry.history.failed(now)
                };
                let after = after_ms.unwrap_or_else(|| history.delay(host, now));
                // a lasting approval is still what a person has to do; a hiccup on the way there does not hide it
                wait(socket, after, problem, Carry { history, ..carry }, now)
            }
            Reaction::AwaitApproval {
                request_id,
                problem,
            } => {
                let since = carry
                    .pending
                    .as_ref()
                    .map_or(now.wall, |pending| pending.since);
                let pending = Pending {
                    since,
                    request_id,
                    problem,
                };
                let carry = Carry {
                    pending: Some(pending.clone()),
                    history: History::default(),
                    ..carry
                };
                let effects = vec![Effect::SetTimer(
                    Timer::Redial(socket.clone()),
                    now.monotonic_ms.saturating_add(APPROVAL_POLL_MS),
                )];
                let until = now.wall.plus(APPROVAL_POLL_MS);
                (
                    Self::AwaitingApproval(AwaitingApproval {
                        until,
                        pending,
                        socket,
                        carry,
                    }),
                    effects,
                )
            }
            Reaction::SignOlder => {
                let carry = Carry {
                    signature: SignatureVersion::V2,
                    ..carry
                };
                (
                    Self::Off(Off {
                        since: now.wall,
                        carry,
                    }),
                    vec![],
                )
            }
            // the gateway has narrowed the wish or dropped the credential: the next choice is made afresh
            Reaction::CodeRefused | Reaction::TokenRejected | Reaction::SharedRejected => (
                Self::Off(Off {
                    since: now.wall,
                    carry: Carry {
                        pending: None,
                        ..carry
                    },
                }),
                vec![],
            ),
            Reaction::Block(problem) => (Self::blocked(problem, now), vec![]),
        }
    }

    pub(crate) fn tokens_saved(self) -> Self {
        match self {
            Self::Connected(state) => Self::Connected(Connected {
                tokens: Tokens::Saved,
                ..state
            }),
            other @ (Self::Off(_)
            | Self::Opening(_)
            | Self::Waiting(_)
            | Self::AwaitingApproval(_)
            | Self::Blocked(_)) => other,
        }
    }

    /// The connection goes on from memory; storing is tried again.
    pub(crate) fn tokens_not_saved(self, now: Now) -> Step {
        match self {
            Self::Connected(state) => {
                let tokens = match state.tokens {
                    Tokens::Saving(tokens) | Tokens::NotSaved(tokens) => tokens,
                    Tokens::Saved => vec![],
                };
                let timer = Timer::SaveTokens(state.dial.socket.clone());
                let effects = vec![Effect::SetTimer(
                    timer,
                    now.monotonic_ms.saturating_add(SAVE_AGAIN_MS),
                )];
                (
                    Self::Connected(Connected {
                        tokens: Tokens::NotSaved(tokens),
                        ..state
                    }),
                    effects,
                )
            }
            other @ (Self::Off(_)
            | Self::Opening(_)
            | Self::Waiting(_)
            | Self::AwaitingApproval(_)
            | Self::Blocked(_)) => (other, vec![]),
        }
    }

    /// Asks for the tokens to be stored again, if they still are not.
    pub(crate) fn save_again(&self) -> Vec<Effect> {
        match self.connected() {
            Some(Connected {
                dial,
                tokens: Tokens::NotSaved(tokens),
                ..
            }) => {
                vec![Effect::SaveDeviceTokens(
                    dial.socket.clone(),
                    tokens.clone(),
                )]
            }
            Some(_) | None => vec![],
        }
    }

    pub(crate) fn closed(self, ended: &Ended, host: HostClass, now: Now) -> Step {
        match self {
            Self::Connected(Connected { dial, history, .. }) => {
                // after a stable connection the loss is the first failure, and the first redial the quick one; one that
                // ends right after its hello goes on with the delays it had
                let history = match ended.lived_ms >= STABLE_MS {
                    true => History::default().failed(now),
                    false => history.failed(now),
                };
                let carry = Carry {
                    history,
                    signature: dial.signature,
                    pending: None,
                };
                wait(
                    dial.socket,
                    history.delay(host, now),
                    Some(Problem::connection_lost()),
                    carry,
                    now,
                )
            }
            other @ (Self::Off(_)
            | Self::Opening(_)
            | Self::Waiting(_)
            | Self::AwaitingApproval(_)
            | Self::Blocked(_)) => (other, vec![]),
        }
    }

    pub(crate) fn redial_due(self, now: Now) -> Self {
        match self {
            Self::Waiting(Waiting { carry, .. })
            | Self::AwaitingApproval(AwaitingApproval { carry, .. }) => Self::Off(Off {
                since: now.wall,
                carry,
            }),
            other @ (Self::Off(_) | Self::Opening(_) | Self::Connected(_) | Self::Blocked(_)) => {
                other
            }
        }
    }
}

fn wait(socket: Socket, after_ms: u64, problem: Option<Problem>, carry: Carry, now: Now) -> Step {
    let effects = vec![Effect::SetTimer(
        Timer::Redial(socket.clone()),
        now.monotonic_ms.saturating_add(after_ms),
    )];
    let until = now.wall.plus(after_ms);
    (
        Connection::Waiting(Waiting {
            since: now.wall,
            until,
            socket,
            problem,
            carry,
        }),
        effects,
    )
}
