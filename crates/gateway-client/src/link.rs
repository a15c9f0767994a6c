//! Requests to a connected gateway.

use crate::error::RequestError;
use futures_util::task::AtomicWaker;
use gateway_protocol::{GatewayError, Request};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tracing::Span;

/// Sends requests to one connected gateway. Clones share the connection; it ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Link {
    pub(crate) requests: mpsc::Sender<Outgoing>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) deadline: Duration,
    pub(crate) max_request: usize,
    pub(crate) span: Span,
}

impl Link {
    /// Sends a request and gives the payload of its answer, `null` when it has none. `params` must be an object of
    /// exactly the method's fields. The deadline is [`crate::Limits::request`].
    ///
    /// Dropping the future forgets the request: it is not sent if it still waits to be, and a late answer is ignored.
    ///
    /// # Errors
    /// [`RequestError`] says why there is no payload.
    pub async fn request<P: Serialize>(
        &self,
        method: &str,
        params: P,
    ) -> Result<Box<RawValue>, RequestError> {
        self.request_within(method, params, self.deadline).await
    }

    /// As [`Link::request`], with a deadline of its own.
    ///
    /// # Errors
    /// [`RequestError`] says why there is no payload.
    pub async fn request_within<P: Serialize>(
        &self,
        method: &str,
        params: P,
        deadline: Duration,
    ) -> Result<Box<RawValue>, RequestError> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let text = Request::new(&id.to_string(), method, params)
            .to_text()
            .map_err(RequestError::Unserialisable)?;
        tracing::trace!(parent: &self.span, method, id, size = text.len(), "request");
        self.exchange(id, text, deadline).await
    }

    /// Says goodbye (close code 1000) and ends the connection, within about a second. Waiting requests fail at once.
    pub fn close(&self) {
        self.shared.order(&self.shared.close);
    }

    /// Pings at once and ends the connection when nothing comes back within 2 s. For a computer that woke up or
    /// changed its network.
    pub fn check_now(&self) {
        self.shared.order(&self.shared.check);
    }

    async fn exchange(
        &self,
        id: u64,
        text: String,
        deadline: Duration,
    ) -> Result<Box<RawValue>, RequestError> {
        if text.len() > self.max_request {
            return Err(RequestError::TooLarge {
                size: text.len(),
                limit: self.max_request,
            });
        }
        let answer = self.shared.expect_answer(id).ok_or(RequestError::Closed)?;
        let _forget = Forget {
            shared: &self.shared,
            id,
        };
        timeout(deadline, async {
            self.requests
                .send(Outgoing { id, text })
                .await
                .map_err(|_| RequestError::Closed)?;
            answer
                .await
                .map_err(|_| RequestError::Closed)?
                .map_err(|error| RequestError::Gateway(Box::new(error)))
        })
        .await
        .unwrap_or(Err(RequestError::TimedOut))
    }
}

struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.take(self.id);
    }
}

/// A request on its way to the socket.
pub(crate) struct Outgoing {
    pub(crate) id: u64,
    pub(crate) text: String,
}

pub(crate) type Answer = Result<Box<RawValue>, GatewayError>;

/// What links and the socket's task share.
#[derive(Debug)]
pub(crate) struct Shared {
    waiting: Mutex<Waiting>,
    task: AtomicWaker,
    close: AtomicBool,
    check: AtomicBool,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    is_closed: bool,
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    since: Option<Instant>,
}

impl Shared {
    /// `next_id` is the first id that the handshake left over.
    pub(crate) fn new(next_id: u64) -> Self {
        Self {
            waiting: Mutex::default(),
            task: AtomicWaker::new(),
            close: AtomicBool::new(false),
            check: AtomicBool::new(false),
            next_id: AtomicU64::new(next_id),
        }
    }

    /// Who is woken by [`Link::close`] and [`Link::check_now`].
    pub(crate) fn set_task(&self, waker: &Waker) {
        self.task.register(waker);
    }

    pub(crate) fn is_close_ordered(&self) -> bool {
        self.close.load(Ordering::Acquire)
    }

    pub(crate) fn take_check_order(&self) -> bool {
        self.check.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_waiting_for(&self, id: u64) -> bool {
        self.waiting().answers.contains_key(&id)
    }

    /// Since when some request has been waiting without a break.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting().since
    }

    /// Hands over the place where the answer to `id` is awaited, if it still is.
    pub(crate) fn take(&self, id: u64) -> Option<oneshot::Sender<Answer>> {
        let mut waiting = self.waiting();
        let answer = waiting.answers.remove(&id);
        if waiting.answers.is_empty() {
            waiting.since = None;
        }
        answer
    }

    /// Fails all waiting requests and those to come.
    pub(crate) fn fail_all(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.since = None;
        let answers = std::mem::take(&mut waiting.answers);
        drop(waiting);
        drop(answers);
    }

    fn expect_answer(&self, id: u64) -> Option<oneshot::Receiver<Answer>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return None;
        }
        if waiting.answers.is_empty() {
            waiting.since = Some(Instant::now());
        }
        waiting.answers.insert(id, sender);
        Some(receiver)
    }

    fn order(&self, order: &AtomicBool) {
        order.store(true, Ordering::Release);
        self.task.wake();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use serde_json::json;

    #[test]
    fn a_dropped_request_leaves_nothing_behind() {
        let (requests, mut unsent) = mpsc::channel(1);
        let link = Link {
            requests,
            shared: Arc::new(Shared::new(2)),
            deadline: Duration::from_secs(1),
            max_request: 1000,
            span: Span::none(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let _entered = runtime.enter();
        let mut request = Box::pin(link.request("x", json!({})));
        assert!(request.as_mut().now_or_never().is_none());
        assert!(link.shared.is_waiting_for(2) && link.shared.waiting_since().is_some());
        drop(request);
        assert!(!link.shared.is_waiting_for(2));
        assert_eq!(link.shared.waiting_since(), None);
        assert_eq!(unsent.try_recv().map(|request| request.id), Ok(2));
    }
}
