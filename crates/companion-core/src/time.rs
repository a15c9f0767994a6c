//! Time and chance, handed in from outside.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ts_rs::TS;

/// Milliseconds since 1970, UTC. Serialised as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, TS)]
#[ts(export, type = "string")]
pub struct Timestamp(pub u64);

/// This moment, as the runtime saw it when it handed in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What the clock on the wall says.
    pub wall: Timestamp,
    /// Milliseconds of a clock that never steps back, from an arbitrary start.
    pub monotonic_ms: u64,
    /// Fresh random bits for this input.
    pub random: u64,
}

impl Now {
    /// A number from `low` to `high` (both included) out of this moment's random bits; `salt` tells several apart.
    pub fn between(self, low: u64, high: u64, salt: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + mix(self.random ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % span
    }
}

/// The finaliser of SplitMix64: spreads the bits of its input.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Timestamp {
    /// This many milliseconds later.
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from now until then; 0 when it is past.
    pub const fn ms_until(self, then: Self) -> u64 {
        then.0.saturating_sub(self.0)
    }

    /// `2026-11-20T18:00:00Z`, with the fraction of a second if there is one.
    pub fn to_rfc3339(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::MAX)
            .to_string()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        u64::try_from(read.as_millisecond())
            .map(Self)
            .map_err(|_| de::Error::custom("a time before 1970"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        let time = Timestamp(1_795_189_837_237);
        let text = serde_json::to_string(&time).expect("serialises");
        assert_eq!(text, "\"2026-11-20T15:50:37.237Z\"");
        assert_eq!(
            serde_json::from_str::<Timestamp>(&text).expect("parses"),
            time
        );
    }

    #[test]
    fn chance_stays_within_its_bounds_and_differs_by_salt() {
        let now = Now {
            wall: Timestamp(0),
            monotonic_ms: 0,
            random: 42,
        };
        let rolls: Vec<u64> = (0..200).map(|salt| now.between(50, 250, salt)).collect();
        assert!(rolls.iter().all(|roll| (50..=250).contains(roll)));
        assert!(
            rolls
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                > 50
        );
    }
}
