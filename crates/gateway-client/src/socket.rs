//! The task that owns a socket after hello: the only one that reads and writes.

use crate::{
    Incoming, Limits, Link,
    events::{CloseCause, Closed, Incident, Outlet, queue},
    handshake::{CONNECT_ID, READ_BUFFER, Violation, is_challenge, shown},
    link::{Outgoing, Shared},
    liveness::{Liveness, Step},
    stream::{Wire, poll_drain, polled, say_goodbye},
};
use futures_util::FutureExt;
use gateway_protocol::{Event, Frame, HelloOk, Response};
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tracing::Span;
use tungstenite::{Bytes, Message, Utf8Bytes, WebSocket};

/// Requests that may wait to be written.
const MAX_UNSENT: usize = 128;
/// Frames read before the task looks at what else there is to do.
const FRAMES_PER_TURN: usize = 256;
/// Unreadable frames within this time that end the connection: the third does.
const MALFORMED_WINDOW: Duration = Duration::from_secs(10);
const MALFORMED_LIMIT: usize = 3;
/// How long a full queue of events is waited for.
const STALL_LIMIT: Duration = Duration::from_secs(20);
/// How long our close frame has to be read.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// The read buffer would keep the memory of a larger frame for good. It moves elsewhere when it finds that memory still
/// in use, at the latest after this many further bytes.
const LARGE_FRAME: usize = 256 * 1024;
const MOVED_AFTER: usize = 2 * READ_BUFFER;
/// The code that clients of this protocol use for silence.
const SILENCE: u16 = 4000;

/// Hands the socket to a task of its own.
pub(crate) fn start(
    socket: WebSocket<Wire>,
    hello: &HelloOk,
    limits: &Limits,
    span: Span,
) -> (Link, Incoming) {
    let (sender, requests) = mpsc::channel(MAX_UNSENT);
    let (outlet, incoming) = queue(limits.events);
    let shared = Arc::new(Shared::new(CONNECT_ID + 1));
    let link = Link {
        requests: sender,
        shared: Arc::clone(&shared),
        deadline: limits.request,
        max_request: usize::try_from(hello.policy.max_payload).unwrap_or(usize::MAX),
        span: span.clone(),
    };
    let now = Instant::now();
    let task = Task {
        socket,
        requests,
        shared,
        outlet,
        liveness: Liveness::new(limits.quiet, limits.pong, now),
        timer: Box::pin(sleep_until(now)),
        flow: Flow::Reading,
        is_unflushed: false,
        is_blocked: false,
        large: None,
        last_seq: None,
        malformed: VecDeque::new(),
        opened: now,
        span,
    };
    tokio::spawn(task.run());
    (link, incoming)
}

struct Task {
    socket: WebSocket<Wire>,
    requests: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
    outlet: Outlet,
    liveness: Liveness,
    timer: Pin<Box<Sleep>>,
    flow: Flow,
    is_unflushed: bool,
    is_blocked: bool,
    large: Option<(Utf8Bytes, usize)>,
    last_seq: Option<u64>,
    malformed: VecDeque<Instant>,
    opened: Instant,
    span: Span,
}

#[derive(Debug, Clone, Copy)]
enum Flow {
    Reading,
    /// Nobody takes the events.
    Stalled {
        since: Instant,
    },
}

/// Why the task ends.
struct End {
    code: Option<u16>,
    reason: String,
    cause: CloseCause,
}

type Turn = Result<(), End>;

impl Task {
    async fn run(mut self) {
        let end = poll_fn(|context| self.poll(context)).await;
        self.shared.fail_all();
        self.requests.close();
        tracing::debug!(parent: &self.span, cause = ?end.cause, code = end.code, "closed");
        if matches!(
            end.cause,
            CloseCause::ByUs | CloseCause::ProtocolError | CloseCause::SlowConsumer
        ) {
            // leaving with unread bytes would make the kernel take back the close frame
            let drained = poll_fn(|context| poll_drain(&mut self.socket, context));
            // out of time is as good as drained
            let _ = timeout(CLOSE_LIMIT, drained).await;
        }
        self.outlet.close(Closed {
            code: end.code,
            reason: end.reason,
            cause: end.cause,
            after: self.opened.elapsed(),
        });
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        self.shared.set_task(context.waker());
        self.socket.get_mut().set_waker(context.waker());
        self.read(context)?;
        // after reading: what lay in the buffers is older than the order and proves nothing
        if self.shared.take_check_order() {
            self.check_now()?;
        }
        self.write(context)?;
        self.look_at_the_clock(context)
    }

    fn read(&mut self, context: &Context<'_>) -> Turn {
        for _ in 0..FRAMES_PER_TURN {
            if self.outlet.poll_room(context).is_pending() {
                return self.stall();
            }
            if matches!(self.flow, Flow::Stalled { .. }) {
                self.flow = Flow::Reading;
                let now = Instant::now();
                self.liveness.hears(now);
                self.timer.as_mut().reset(now);
            }
            match polled(self.socket.read()) {
                Poll::Pending => {
                    self.hear();
                    return Ok(());
                }
                Poll::Ready(Ok(message)) => self.receive(message)?,
                Poll::Ready(Err(error)) => {
                    return Err(match Violation::of(&error) {
                        Some(Violation { code, reason }) => self.refuse(code, reason),
                        None => End {
                            code: None,
                            reason: String::new(),
                            cause: CloseCause::Lost,
                        },
                    });
                }
            }
        }
        self.hear();
        context.waker().wake_by_ref();
        Ok(())
    }

    fn receive(&mut self, message: Message) -> Turn {
        match message {
            Message::Text(text) => {
                self.take_frame(&text)?;
                if text.len() > LARGE_FRAME {
                    self.hear();
                    self.large = Some((text, MOVED_AFTER));
                }
                Ok(())
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
            Message::Binary(_) => Err(self.refuse(1003, "text frames only")),
            Message::Close(frame) => {
                // answers the close frame; the peer leaves either way
                let _ = self.socket.flush();
                Err(End {
                    code: frame.as_ref().map(|frame| frame.code.into()),
                    reason: frame.map_or_else(String::new, |frame| shown(&frame.reason)),
                    cause: CloseCause::ByPeer,
                })
            }
        }
    }

    fn take_frame(&mut self, text: &str) -> Turn {
        match Frame::parse(text) {
            Ok(Frame::Response(Response { id, result })) => {
                tracing::trace!(parent: &self.span, id, size = text.len(), "answer");
                let awaited = id.parse().ok().and_then(|id| self.shared.take(id));
                match awaited {
                    // whoever waited may have left this moment
                    Some(answer) => drop(answer.send(result)),
                    None => tracing::debug!(parent: &self.span, "answer to no request"),
                }
                Ok(())
            }
            Ok(Frame::Event(event)) => {
                tracing::trace!(parent: &self.span, event = event.name, seq = event.seq, size = text.len(), "event");
                self.pass_on(event)
            }
            Ok(Frame::Unknown) => {
                tracing::debug!(parent: &self.span, size = text.len(), "frame of an unknown kind");
                Ok(())
            }
            Err(_) => self.count_malformed(),
        }
    }

    fn pass_on(&mut self, event: Event) -> Turn {
        if is_challenge(&event) {
            return Err(self.refuse(1002, "second challenge"));
        }
        if let (Some(got), last) = (event.seq, &mut self.last_seq) {
            let expected = last.map_or(got, |last| last.saturating_add(1));
            if got < expected {
                tracing::debug!(parent: &self.span, got, expected, "repeated event");
                return Ok(());
            }
            *last = Some(got);
            if got > expected {
                self.outlet.push(Incident::Gap { expected, got });
            }
        }
        self.outlet.push(Incident::Event(event));
        Ok(())
    }

    fn count_malformed(&mut self) -> Turn {
        let now = Instant::now();
        self.malformed
            .retain(|at| now.duration_since(*at) < MALFORMED_WINDOW);
        self.malformed.push_back(now);
        tracing::debug!(parent: &self.span, count = self.malformed.len(), "malformed frame");
        if self.malformed.len() < MALFORMED_LIMIT {
            Ok(())
        } else {
            Err(self.refuse(1007, "malformed frames"))
        }
    }

    fn write(&mut self, context: &mut Context<'_>) -> Turn {
        if self.shared.is_close_ordered() {
            return Err(self.leave());
        }
        loop {
            let mut has_written = false;
            while !self.is_blocked {
                match self.requests.poll_recv(context) {
                    Poll::Ready(Some(Outgoing { id, text })) => {
                        if self.shared.is_waiting_for(id) {
                            self.send(Message::text(text))?;
                            has_written = true;
                        }
                    }
                    Poll::Ready(None) => return Err(self.leave()),
                    Poll::Pending => break,
                }
            }
            if has_written {
                self.look_after_request();
            }
            if !self.is_unflushed {
                return Ok(());
            }
            match polled(self.socket.flush()) {
                Poll::Pending => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Poll::Ready(Ok(())) => {
                    self.is_unflushed = false;
                    if !std::mem::take(&mut self.is_blocked) {
                        return Ok(());
                    }
                }
                Poll::Ready(Err(_)) => return Err(lost()),
            }
        }
    }

    /// Queues a message; it leaves with the next flush.
    fn send(&mut self, message: Message) -> Turn {
        self.is_unflushed = true;
        match polled(self.socket.write(message)) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(lost()),
            // it is queued all the same
            Poll::Pending => {
                self.is_blocked = true;
                Ok(())
            }
        }
    }

    fn check_now(&mut self) -> Turn {
        let now = Instant::now();
        self.liveness.checks(now);
        self.timer.as_mut().reset(now);
        self.send(Message::Ping(Bytes::new()))
    }

    /// Takes note of the bytes that came in. The timer is left alone, to look again when it fires, except after a ping.
    fn hear(&mut self) {
        let heard = self.socket.get_mut().take_heard();
        if heard == 0 {
            return;
        }
        self.large = self
            .large
            .take()
            .and_then(|(text, left)| Some((text, left.checked_sub(heard)?)));
        let now = Instant::now();
        if self.liveness.hears(now)
            && let Step::WaitUntil(due) = self.liveness.step(now, self.shared.waiting_since())
        {
            // a timer that is moved to later still wakes the runtime at its former time
            self.timer.set(sleep_until(due));
        }
    }

    fn look_after_request(&mut self) {
        let due = self.liveness.look_after_request(Instant::now());
        if self.timer.deadline() > due {
            self.timer.as_mut().reset(due);
        }
    }

    fn stall(&mut self) -> Turn {
        if let Flow::Reading = self.flow {
            let since = Instant::now();
            self.flow = Flow::Stalled { since };
            self.timer.as_mut().reset(since + STALL_LIMIT);
        }
        Ok(())
    }

    fn look_at_the_clock(&mut self, context: &mut Context<'_>) -> Turn {
        while self.timer.poll_unpin(context).is_ready() {
            let now = Instant::now();
            let next = match self.flow {
                Flow::Stalled { since } if now >= since + STALL_LIMIT => {
                    say_goodbye(&mut self.socket, 1008, "events not taken");
                    return Err(End {
                        code: Some(1008),
                        reason: "events not taken".to_owned(),
                        cause: CloseCause::SlowConsumer,
                    });
                }
                Flow::Stalled { since } => since + STALL_LIMIT,
                Flow::Reading => match self.liveness.step(now, self.shared.waiting_since()) {
                    Step::WaitUntil(due) => due,
                    Step::Ping => {
                        self.send(Message::Ping(Bytes::new()))?;
                        self.write(context)?;
                        continue;
                    }
                    Step::Silent => {
                        say_goodbye(&mut self.socket, SILENCE, "silence");
                        return Err(End {
                            code: Some(SILENCE),
                            reason: "silence".to_owned(),
                            cause: CloseCause::Silent,
                        });
                    }
                },
            };
            self.timer.as_mut().reset(next);
        }
        Ok(())
    }

    fn leave(&mut self) -> End {
        say_goodbye(&mut self.socket, 1000, "");
        End {
            code: Some(1000),
            reason: String::new(),
            cause: CloseCause::ByUs,
        }
    }

    fn refuse(&mut self, code: u16, reason: &'static str) -> End {
        say_goodbye(&mut self.socket, code, reason);
        End {
            code: Some(code),
            reason: reason.to_owned(),
            cause: CloseCause::ProtocolError,
        }
    }
}

fn lost() -> End {
    End {
        code: None,
        reason: String::new(),
        cause: CloseCause::Lost,
    }
}
