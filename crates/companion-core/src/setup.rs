//! An applied setup code, until every role that it is for is redeemed or the gateway says no.

use crate::{command::Access, record::Setup, time::Timestamp};
use gateway_protocol::{Endpoint, HostClass, Role, Scopes, SetupCode};

/// What is left to try after the gateway refused the code for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Narrowed {
    /// Ask the same role again, for less.
    AskForLess,
    /// The code gives no operator; go on with the node alone.
    WithoutOperator,
    /// The code is used, expired or for something else.
    Over,
}

impl Setup {
    /// The code was accepted by the person with at most this access.
    pub(crate) fn begin(code: &SetupCode, access: Access) -> Self {
        let plain_beyond_loopback =
            !code.endpoint().is_encrypted() && code.endpoint().host_class() != HostClass::Loopback;
        let access = match access {
            // the gateway hands out limited codes there by itself
            Access::Full if plain_beyond_loopback => Access::Limited,
            Access::Full | Access::Limited | Access::Node => access,
        };
        let remaining = match access {
            Access::Full | Access::Limited => order(code.endpoint()).to_vec(),
            Access::Node => vec![Role::Node],
        };
        Self {
            code: code.bootstrap_token.fingerprint(),
            access,
            remaining,
            expires_at: code.expires_at_ms.map(Timestamp),
            pin: code.tls_fingerprint.clone(),
            fresh: vec![],
        }
    }

    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        !self.remaining.is_empty() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whose turn it is to redeem the code: asking in the other order costs an approval. A role that stopped for good
    /// does not hold up the other.
    pub(crate) fn turn(&self, endpoint: &Endpoint, stopped: impl Fn(Role) -> bool) -> Option<Role> {
        order(endpoint)
            .into_iter()
            .find(|role| self.remaining.contains(role) && !stopped(*role))
    }

    /// What the operator asks for with the code.
    pub(crate) fn scopes(&self, role: Role) -> Scopes {
        match (role, self.access) {
            (Role::Node, _) | (Role::Operator, Access::Node) => Scopes::none(),
            (Role::Operator, Access::Full) => Scopes::full_code(),
            (Role::Operator, Access::Limited) => Scopes::limited_code(),
        }
    }

    /// The role's token is durable.
    pub(crate) fn redeemed(&mut self, role: Role) {
        self.remaining.retain(|remaining| *remaining != role);
    }

    /// The gateway refused the code for this role. An ask outside the profile does not burn the code.
    pub(crate) fn refused(&mut self, role: Role) -> Narrowed {
        match (role, self.access) {
            (Role::Operator, Access::Full) => {
                self.access = Access::Limited;
                Narrowed::AskForLess
            }
            (Role::Operator, Access::Limited) => {
                self.access = Access::Node;
                self.redeemed(Role::Operator);
                Narrowed::WithoutOperator
            }
            (Role::Operator, Access::Node) | (Role::Node, _) => Narrowed::Over,
        }
    }
}

/// On loopback the node first, elsewhere the operator: the fewest approvals each.
fn order(endpoint: &Endpoint) -> [Role; 2] {
    match endpoint.host_class() {
        HostClass::Loopback => [Role::Node, Role::Operator],
        HostClass::Private | HostClass::Public => [Role::Operator, Role::Node],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_protocol::BootstrapToken;

    #[test]
    fn the_order_of_roles_follows_the_place() {
        for (url, first) in [
            ("ws://127.0.0.1:18789", Role::Node),
            ("wss://gateway.example", Role::Operator),
            ("ws://192.168.1.5:18789", Role::Operator),
        ] {
            let code = code(url);
            assert_eq!(
                Setup::begin(&code, Access::Full).turn(code.endpoint(), |_| false),
                Some(first),
                "{url}"
            );
        }
    }

    #[test]
    fn plain_text_beyond_loopback_asks_for_limited_access_first() {
        assert_eq!(
            Setup::begin(&code("ws://192.168.1.5:18789"), Access::Full).access,
            Access::Limited
        );
        assert_eq!(
            Setup::begin(&code("wss://gateway.example"), Access::Full).access,
            Access::Full
        );
        assert_eq!(
            Setup::begin(&code("ws://127.0.0.1:18789"), Access::Full).access,
            Access::Full
        );
    }

    #[test]
    fn a_refused_code_is_asked_for_less_and_then_it_is_over() {
        let mut setup = Setup::begin(&code("ws://127.0.0.1:18789"), Access::Full);
        setup.redeemed(Role::Node);
        assert_eq!(setup.refused(Role::Operator), Narrowed::AskForLess);
        assert_eq!(setup.scopes(Role::Operator), Scopes::limited_code());
        assert_eq!(setup.refused(Role::Operator), Narrowed::WithoutOperator);
        assert!(setup.remaining.is_empty());
        assert_eq!(
            Setup::begin(&code("ws://127.0.0.1:18790"), Access::Full).refused(Role::Node),
            Narrowed::Over
        );
    }

    #[test]
    fn an_expired_code_is_not_open() {
        let setup = Setup {
            expires_at: Some(Timestamp(10)),
            ..Setup::begin(&code("wss://g.example"), Access::Full)
        };
        assert!(setup.is_open(Timestamp(9)) && !setup.is_open(Timestamp(10)));
    }

    fn code(url: &str) -> SetupCode {
        SetupCode {
            endpoints: vec![Endpoint::parse(url).expect("endpoint")],
            bootstrap_token: BootstrapToken::new("b"),
            expires_at_ms: None,
            tls_fingerprint: None,
        }
    }
}
