//! When to dial again. The numbers stand in docs/decisions and come from measurements of what annoys people least.

use crate::time::Now;
use gateway_protocol::HostClass;

/// How a role's dials have gone since it last worked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Failed dials since the last good connection.
    pub(crate) failures: u32,
    /// When the first of them failed.
    pub(crate) failing_since_ms: Option<u64>,
}

/// A connection that lived this long was stable: its loss starts a fresh history.
pub(crate) const STABLE_MS: u64 = 10_000;
const EAGER_MS: u64 = 120_000;
const PATIENT_MS: u64 = 600_000;

impl History {
    /// One more failure at this moment.
    pub(crate) fn failed(self, now: Now) -> Self {
        Self {
            failures: self.failures.saturating_add(1),
            failing_since_ms: self.failing_since_ms.or(Some(now.monotonic_ms)),
        }
    }

    /// Milliseconds until the next dial.
    pub(crate) fn delay(self, host: HostClass, now: Now) -> u64 {
        let failing_for = self
            .failing_since_ms
            .map_or(0, |since| now.monotonic_ms.saturating_sub(since));
        let salt = u64::from(self.failures);
        if self.failures <= 1 {
            return now.between(50, 250, salt);
        }
        match host {
            HostClass::Loopback if failing_for < EAGER_MS => now.between(250, 750, salt),
            HostClass::Loopback if failing_for < PATIENT_MS => now.between(1_000, 2_000, salt),
            HostClass::Loopback => now.between(7_500, 15_000, salt),
            HostClass::Private => now.between(250, self.grown(5_000), salt),
            HostClass::Public => now.between(250, self.grown(30_000), salt),
        }
    }

    /// 500 ms, times 1.8 for each failure, up to `cap`.
    fn grown(self, cap: u64) -> u64 {
        (1..self.failures.min(16))
            .fold(500_u64, |delay, _| delay * 9 / 5)
            .min(cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_never_exceeds_the_cap_of_its_host(failures in 0_u32..1000, since in 0_u64..10_000_000, random: u64) {
            let history = History { failures, failing_since_ms: Some(since) };
            let now = Now { wall: Timestamp(0), monotonic_ms: 10_000_000, random };
            for (host, cap) in [(HostClass::Loopback, 15_000), (HostClass::Private, 5_000), (HostClass::Public, 30_000)] {
                let delay = history.delay(host, now);
                prop_assert!((50..=cap).contains(&delay), "{host:?}: {delay}");
            }
        }
    }

    #[test]
    fn loopback_is_eager_then_patient() {
        let at = |failing_ms| {
            let now = Now {
                wall: Timestamp(0),
                monotonic_ms: failing_ms,
                random: 7,
            };
            History {
                failures: 5,
                failing_since_ms: Some(0),
            }
            .delay(HostClass::Loopback, now)
        };
        assert!((250..=750).contains(&at(1_000)));
        assert!((1_000..=2_000).contains(&at(EAGER_MS)));
        assert!((7_500..=15_000).contains(&at(PATIENT_MS)));
    }

    #[test]
    fn the_first_redial_is_almost_at_once() {
        let now = Now {
            wall: Timestamp(0),
            monotonic_ms: 5,
            random: 9,
        };
        for host in [HostClass::Loopback, HostClass::Private, HostClass::Public] {
            assert!((50..=250).contains(&History::default().failed(now).delay(host, now)));
        }
    }
}
