//! Is the other side still there? Pure: told what was heard and when, it says when to look again and what to do then.

use std::time::Duration;
use tokio::time::Instant;

/// With a request waiting, silence this long asks for a ping ...
const WAITING_QUIET: Duration = Duration::from_secs(2);
/// ... which has this long to be answered: five seconds in all.
const WAITING_PONG: Duration = Duration::from_secs(3);
/// How long the ping of a check on demand has.
const CHECK_PONG: Duration = Duration::from_secs(2);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing before then.
    WaitUntil(Instant),
    /// Send a ping.
    Ping,
    /// Nothing came back.
    Silent,
}

#[derive(Debug)]
pub(crate) struct Liveness {
    quiet: Duration,
    pong: Duration,
    heard: Instant,
    give_up: Option<Instant>,
}

impl Liveness {
    pub(crate) fn new(quiet: Duration, pong: Duration, now: Instant) -> Self {
        Self {
            quiet,
            pong,
            heard: now,
            give_up: None,
        }
    }

    /// Any byte came in. `true` when that answers a ping, so that the time to look again has moved.
    pub(crate) fn hears(&mut self, now: Instant) -> bool {
        self.heard = now;
        self.give_up.take().is_some()
    }

    /// A ping goes out at once, with a short limit.
    pub(crate) fn checks(&mut self, now: Instant) {
        let give_up = now + CHECK_PONG;
        self.give_up = Some(self.give_up.map_or(give_up, |earlier| earlier.min(give_up)));
    }

    /// The latest time by which a request that is sent now must be looked after.
    pub(crate) fn look_after_request(&self, now: Instant) -> Instant {
        now + self.quiet.min(WAITING_QUIET)
    }

    /// `waiting_since` is when the oldest of the waiting requests began to wait.
    pub(crate) fn step(&mut self, now: Instant, waiting_since: Option<Instant>) -> Step {
        if let Some(give_up) = self.give_up {
            return if now < give_up {
                Step::WaitUntil(give_up)
            } else {
                Step::Silent
            };
        }
        let idle = self.heard + self.quiet;
        let (due, pong) = match waiting_since {
            None => (idle, self.pong),
            Some(since) => (
                idle.min(self.look_after_request(self.heard.max(since))),
                self.pong.min(WAITING_PONG),
            ),
        };
        if now < due {
            return Step::WaitUntil(due);
        }
        self.give_up = Some(now + pong);
        Step::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(10);
    const PONG: Duration = Duration::from_secs(5);

    #[test]
    fn an_idle_peer_is_pinged_after_the_quiet_time_and_given_up_after_the_pong_time() {
        let (start, mut liveness) = started();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(liveness.step(start, None), Step::WaitUntil(after(10)));
        assert_eq!(liveness.step(after(10), None), Step::Ping);
        assert_eq!(liveness.step(after(10), None), Step::WaitUntil(after(15)));
        assert_eq!(liveness.step(after(15), None), Step::Silent);
    }

    #[test]
    fn any_byte_counts_as_an_answer() {
        let (start, mut liveness) = started();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!liveness.hears(after(4)));
        assert_eq!(liveness.step(after(10), None), Step::WaitUntil(after(14)));
        assert_eq!(liveness.step(after(14), None), Step::Ping);
        assert!(liveness.hears(after(18)));
        assert_eq!(liveness.step(after(19), None), Step::WaitUntil(after(28)));
    }

    #[test]
    fn a_waiting_request_is_given_up_five_seconds_after_the_last_sign_of_life() {
        let (start, mut liveness) = started();
        let after = |seconds| start + Duration::from_secs(seconds);
        let since = Some(after(3));
        assert_eq!(liveness.step(after(3), since), Step::WaitUntil(after(5)));
        assert_eq!(liveness.step(after(5), since), Step::Ping);
        assert_eq!(liveness.step(after(8), since), Step::Silent);
    }

    #[test]
    fn a_check_on_demand_has_two_seconds_and_never_prolongs_an_earlier_one() {
        let (start, mut liveness) = started();
        let after = |seconds| start + Duration::from_secs(seconds);
        liveness.checks(after(1));
        liveness.checks(after(2));
        assert_eq!(liveness.step(after(2), None), Step::WaitUntil(after(3)));
        assert_eq!(liveness.step(after(3), None), Step::Silent);
    }

    fn started() -> (Instant, Liveness) {
        let start = Instant::now();
        (start, Liveness::new(QUIET, PONG, start))
    }
}
