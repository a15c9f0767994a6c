//! What the gateway sends by itself, on its way to whoever follows it.

use gateway_protocol::Event;
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Payload bytes that may wait, however few events they are.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Incident {
    /// An event. `tick` is one too.
    Event(Event),
    /// Events are missing before the next one. Repeated events are dropped without an incident.
    Gap {
        /// The `seq` that should have come.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// The end, exactly once and last.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code, of whoever closed; `None` when the connection just ended.
    pub code: Option<u16>,
    /// The close reason: at most 200 characters, without control characters.
    pub reason: String,
    /// Who ended it, and why.
    pub cause: CloseCause,
    /// How long it lived after hello.
    pub after: Duration,
}

/// Who ended a connection, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// The gateway sent a close frame.
    ByPeer,
    /// [`crate::Link::close`], or the last link was dropped.
    ByUs,
    /// The connection ended without a close frame.
    Lost,
    /// The gateway went silent and did not answer a ping.
    Silent,
    /// The gateway broke the protocol.
    ProtocolError,
    /// Events were not taken for 20 s while the queue was full.
    SlowConsumer,
}

/// What the gateway sends, in order. When [`crate::Limits::events`] or 32 MiB of it wait, nothing more is read from
/// the gateway, answers neither, until half of it was taken: so do not wait for an answer where events are taken.
/// Dropping it discards all further events and keeps the connection.
#[derive(Debug)]
pub struct Incoming(Arc<Queue>);

impl Incoming {
    /// The next incident; `None` after [`Incident::Closed`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Incident> {
        poll_fn(|context| self.0.poll_pop(context)).await
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The socket's end of [`Incoming`]. Whatever happens to it, the queue gets its end.
#[derive(Debug)]
pub(crate) struct Outlet(Arc<Queue>);

impl Outlet {
    pub(crate) fn push(&self, incident: Incident) {
        self.0.push(incident);
    }

    /// Ready when there is room for another event.
    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        self.0.poll_room(context)
    }

    pub(crate) fn close(&self, closed: Closed) {
        self.0.close(closed);
    }
}

impl Drop for Outlet {
    /// Only of use when the socket's task ended without a word, as with its runtime.
    fn drop(&mut self) {
        self.0.close(Closed {
            code: None,
            reason: String::new(),
            cause: CloseCause::Lost,
            after: Duration::ZERO,
        });
    }
}

/// A queue of at most about `limit` incidents.
pub(crate) fn queue(limit: usize) -> (Outlet, Incoming) {
    let queue = Arc::new(Queue {
        limit: limit.max(1),
        state: Mutex::default(),
    });
    (Outlet(Arc::clone(&queue)), Incoming(queue))
}

#[derive(Debug)]
struct Queue {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Incident>,
    bytes: usize,
    closed: bool,
    abandoned: bool,
    taker: Option<Waker>,
    giver: Option<Waker>,
}

impl Queue {
    fn push(&self, incident: Incident) {
        let mut state = self.state();
        if state.abandoned || state.closed {
            return;
        }
        state.bytes += size(&incident);
        state.waiting.push_back(incident);
        wake(state, |state| state.taker.take());
    }

    fn close(&self, closed: Closed) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.closed = true;
        state.waiting.push_back(Incident::Closed(closed));
        wake(state, |state| state.taker.take());
    }

    fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        state.waiting.clear();
        state.bytes = 0;
        wake(state, |state| state.giver.take());
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.waiting.len() < self.limit && state.bytes < MAX_BYTES {
            return Poll::Ready(());
        }
        state.giver = Some(context.waker().clone());
        Poll::Pending
    }

    fn poll_pop(&self, context: &Context<'_>) -> Poll<Option<Incident>> {
        let mut state = self.state();
        let Some(incident) = state.waiting.pop_front() else {
            if state.closed {
                return Poll::Ready(None);
            }
            state.taker = Some(context.waker().clone());
            return Poll::Pending;
        };
        state.bytes -= size(&incident);
        if state.waiting.len() <= self.limit / 2 && state.bytes <= MAX_BYTES / 2 {
            wake(state, |state| state.giver.take());
        }
        Poll::Ready(Some(incident))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes after unlocking, so that the woken thread does not wait for the lock.
fn wake(mut state: MutexGuard<'_, State>, whom: impl FnOnce(&mut State) -> Option<Waker>) {
    let waker = whom(&mut state);
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn size(incident: &Incident) -> usize {
    match incident {
        Incident::Event(event) => event.payload.get().len(),
        Incident::Gap { .. } | Incident::Closed(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[tokio::test]
    async fn incidents_come_in_order_and_the_end_once() {
        let (outlet, mut incoming) = queue(8);
        outlet.push(event("1"));
        outlet.close(closed(CloseCause::ByPeer));
        outlet.push(event("2"));
        drop(outlet);
        assert!(matches!(incoming.next().await, Some(Incident::Event(_))));
        let Some(Incident::Closed(end)) = incoming.next().await else {
            panic!("no end")
        };
        assert_eq!(end.cause, CloseCause::ByPeer);
        assert!(incoming.next().await.is_none());
        assert!(incoming.next().await.is_none());
    }

    #[tokio::test]
    async fn a_socket_that_vanished_still_ends_the_queue() {
        let (outlet, mut incoming) = queue(8);
        drop(outlet);
        let Some(Incident::Closed(end)) = incoming.next().await else {
            panic!("no end")
        };
        assert_eq!(end.cause, CloseCause::Lost);
    }

    #[tokio::test]
    async fn there_is_room_again_when_half_was_taken() {
        let (outlet, mut incoming) = queue(4);
        for number in 0..4 {
            outlet.push(event(&number.to_string()));
        }
        let room = tokio::spawn(async move {
            poll_fn(|context| outlet.poll_room(context)).await;
            outlet
        });
        tokio::task::yield_now().await;
        incoming.next().await;
        tokio::task::yield_now().await;
        assert!(!room.is_finished());
        incoming.next().await;
        let _outlet = room.await.expect("room");
    }

    #[tokio::test]
    async fn few_but_large_events_fill_the_queue_too() {
        let (outlet, _incoming) = queue(1000);
        outlet.push(event(&format!("\"{}\"", "x".repeat(MAX_BYTES))));
        let room = poll_fn(|context| Poll::Ready(outlet.poll_room(context))).await;
        assert!(room.is_pending());
    }

    #[tokio::test]
    async fn without_a_taker_there_is_always_room() {
        let (outlet, incoming) = queue(1);
        drop(incoming);
        outlet.push(event("1"));
        outlet.push(event("2"));
        let room = poll_fn(|context| Poll::Ready(outlet.poll_room(context))).await;
        assert!(room.is_ready());
    }

    fn event(payload: &str) -> Incident {
        Incident::Event(Event {
            name: "tick".to_owned(),
            seq: None,
            payload: RawValue::from_string(payload.to_owned()).expect("JSON"),
        })
    }

    fn closed(cause: CloseCause) -> Closed {
        Closed {
            code: None,
            reason: String::new(),
            cause,
            after: Duration::ZERO,
        }
    }
}
