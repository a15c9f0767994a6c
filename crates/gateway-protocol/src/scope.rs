//! What an operator may do.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// One operator scope. The set is closed at the gateway; sending an unknown one rotates the device token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything, including all other scopes.
    Admin,
    /// See and answer exec approvals.
    Approvals,
    /// Device and node pairing.
    Pairing,
    /// Answer questions of agents.
    Questions,
    /// Status, lists, history, events.
    Read,
    /// Voice.
    Talk,
    /// Secrets of voice providers.
    TalkSecrets,
    /// Chat, stop, invoke node commands.
    Write,
}

impl Scope {
    /// Every scope, in the order in which they are sent and signed.
    pub const ALL: [Self; 8] = [
        Self::Admin,
        Self::Approvals,
        Self::Pairing,
        Self::Questions,
        Self::Read,
        Self::Talk,
        Self::TalkSecrets,
        Self::Write,
    ];

    /// The wire's name, such as `operator.read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "operator.admin",
            Self::Approvals => "operator.approvals",
            Self::Pairing => "operator.pairing",
            Self::Questions => "operator.questions",
            Self::Read => "operator.read",
            Self::Talk => "operator.talk",
            Self::TalkSecrets => "operator.talk.secrets",
            Self::Write => "operator.write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(UnknownScope)
    }
}

/// The text names no scope of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an operator scope")]
pub struct UnknownScope;

/// A set of scopes, always in the same order, because the signature covers the order as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// No scopes: what a node sends.
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// What a `full` setup code may redeem, less `talk.secrets`.
    pub fn full_code() -> Self {
        [
            Scope::Admin,
            Scope::Approvals,
            Scope::Questions,
            Scope::Read,
            Scope::Write,
        ]
        .into_iter()
        .collect()
    }

    /// What a `limited` setup code may redeem, less `talk.secrets`.
    pub fn limited_code() -> Self {
        [
            Scope::Approvals,
            Scope::Questions,
            Scope::Read,
            Scope::Write,
        ]
        .into_iter()
        .collect()
    }

    /// What a shared token is used for on a gateway of this person's own.
    pub fn shared_token() -> Self {
        [
            Scope::Admin,
            Scope::Approvals,
            Scope::Pairing,
            Scope::Questions,
            Scope::Read,
            Scope::Write,
        ]
        .into_iter()
        .collect()
    }

    /// Is this scope granted, directly or by a wider one?
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&Scope::Admin)
            || self.0.contains(&scope)
            || (self.0.contains(&Scope::Write) && matches!(scope, Scope::Read | Scope::Talk))
    }

    /// The scopes of `wanted` that are not granted here.
    pub fn missing_of(&self, wanted: &Self) -> Self {
        wanted.iter().filter(|scope| !self.allow(*scope)).collect()
    }

    /// Has no scope at all: a hollow success when it stands in a hello.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }

    /// Joined with commas, as the signature payload wants it.
    pub fn joined(&self) -> String {
        self.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    /// Scopes that this version does not know are left out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_covers_everything_and_write_covers_read() {
        for scope in Scope::ALL {
            assert!(Scopes::full_code().allow(scope), "{scope}");
        }
        let write: Scopes = [Scope::Write].into_iter().collect();
        assert!(write.allow(Scope::Read));
        assert!(!write.allow(Scope::Pairing));
    }

    #[test]
    fn missing_names_what_was_not_granted() {
        let granted: Scopes = [Scope::Read].into_iter().collect();
        assert_eq!(
            granted.missing_of(&Scopes::limited_code()).joined(),
            "operator.approvals,operator.questions,operator.write"
        );
    }

    #[test]
    fn unknown_scopes_are_left_out_and_the_order_is_fixed() {
        let scopes: Scopes =
            serde_json::from_str(r#"["operator.write","operator.future","operator.admin"]"#)
                .expect("parses");
        assert_eq!(
            serde_json::to_string(&scopes).expect("serialises"),
            r#"["operator.admin","operator.write"]"#
        );
    }
}
