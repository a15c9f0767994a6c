//! Timers by name: one sleep for the earliest of them.

use companion_core::Timer;
use std::{collections::BTreeMap, future::pending, time::Duration};
use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(crate) struct Timers {
    start: Instant,
    due: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Monotonic milliseconds count from `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            due: BTreeMap::new(),
        }
    }

    pub(crate) fn set(&mut self, timer: Timer, at_ms: u64) {
        self.due
            .insert(timer, self.start + Duration::from_millis(at_ms));
    }

    /// The next timer that is due. Cancel-safe: nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Timer {
        let Some((timer, at)) = self
            .due
            .iter()
            .min_by_key(|(_, at)| **at)
            .map(|(timer, at)| (timer.clone(), *at))
        else {
            return pending().await;
        };
        sleep_until(at).await;
        self.due.remove(&timer);
        timer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use companion_core::GatewayId;

    #[tokio::test(start_paused = true)]
    async fn fires_in_the_order_of_time_and_a_second_setting_replaces_the_first() {
        let mut timers = Timers::new(Instant::now());
        let describe = |name: &str| Timer::Describe(GatewayId::new(name));
        timers.set(describe("late"), 900);
        timers.set(describe("early"), 100);
        timers.set(Timer::OpenVault, 50);
        timers.set(Timer::OpenVault, 500);
        let order = [
            timers.next().await,
            timers.next().await,
            timers.next().await,
        ];
        assert_eq!(
            order,
            [describe("early"), Timer::OpenVault, describe("late")]
        );
    }
}
