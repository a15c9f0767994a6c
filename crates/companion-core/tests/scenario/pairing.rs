//! Becoming paired.

use crate::harness::*;
use companion_core::{
    Command, Credential, Done, Ended, Input, OpenFailure, ProblemCode, Query, StoredCredentials,
    Timer, VaultTrouble,
    command::{Access, SetupText},
    snapshot::{Overall, RoleState},
};
use gateway_protocol::{Role, Scopes, SharedToken};
use serde_json::json;

#[test]
fn a_code_on_loopback_pairs_node_then_operator_then_the_surface() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, true);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    assert_eq!(node.commands, COMMANDS);
    it.dials_nothing();
    it.welcomes(&node, Scopes::none());
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    assert_eq!(operator.scopes, Scopes::full_code());
    it.welcomes(&operator, Scopes::full_code());
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
    let asked = it.asks();
    assert!(matches!(asked, Query::DescribeNode(_)));
    it.answers(
        &operator,
        asked,
        &row("pending-approval", &[], Some(("s1", &COMMANDS))),
    );
    assert_eq!(it.asks(), Query::ApproveNode("s1".to_owned()));
    it.answers(&operator, Query::ApproveNode("s1".to_owned()), &json!({}));
    let asked = it.asks();
    it.answers(&operator, asked, &row("approved", &COMMANDS, None));
    let snapshot = it.snapshot();
    assert_eq!(snapshot.overall, Overall::Ready);
    assert_eq!(snapshot.gateways[0].node.commands.usable, COMMANDS);
    assert_eq!(it.notified.len(), 1, "{:?}", it.notified);
    assert!(it.registry.gateways[0].setup.is_none());
    assert_eq!(it.registry.gateways[0].used_codes.len(), 1);
}

#[test]
fn without_the_persons_yes_the_surface_waits_and_says_how_to_approve_it() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let operator = it.pairs_both_on_loopback();
    let asked = it.asks();
    it.answers(
        &operator,
        asked,
        &row("pending-approval", &[], Some(("s1", &COMMANDS))),
    );
    it.asks_nothing();
    let node = &it.snapshot().gateways[0].node;
    assert_eq!(
        (node.role.state, node.role.request_id.as_deref()),
        (RoleState::WaitingForApproval, Some("s1"))
    );
    let problem = node.role.problem.as_ref().expect("a problem");
    assert_eq!(
        problem.remedy.command.as_deref(),
        Some("openclaw nodes approve s1")
    );
}

#[test]
fn elsewhere_the_operator_goes_first_and_approves_its_own_devices_upgrade() {
    let mut it = Scenario::start();
    it.pastes(REMOTE, Access::Full, true);
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.refuses(
        &operator,
        json!({"code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": "d1"}),
    );
    let view = &it.snapshot().gateways[0].operator;
    assert_eq!(
        (view.state, view.request_id.as_deref()),
        (RoleState::WaitingForApproval, Some("d1"))
    );
    it.waits_for_redial(Role::Operator);
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    assert_eq!(
        it.snapshot().gateways[0].operator.state,
        RoleState::WaitingForApproval
    );
    it.welcomes(&operator, Scopes::full_code());
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(
        &node,
        json!({"code": "PAIRING_REQUIRED", "reason": "role-upgrade", "requestId": "d2"}),
    );
    assert_eq!(it.asks(), Query::ApproveDevice("d2".to_owned()));
    it.answers(&operator, Query::ApproveDevice("d2".to_owned()), &json!({}));
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.welcomes(&node, Scopes::none());
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
}

#[test]
fn a_node_upgrade_is_never_approved_without_the_persons_yes() {
    let mut it = Scenario::start();
    it.pastes(REMOTE, Access::Full, false);
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.welcomes(&operator, Scopes::full_code());
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(
        &node,
        json!({"code": "PAIRING_REQUIRED", "reason": "role-upgrade", "requestId": "d2"}),
    );
    it.asks_nothing();
}

#[test]
fn the_bootstrap_token_stays_until_every_token_is_durable() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.store_fails = true;
    it.welcomes(&node, Scopes::none());
    assert!(it.forgotten.is_empty());
    it.dials_nothing();
    let view = &it.snapshot().gateways[0].node.role;
    assert_eq!(
        view.problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::TokenNotSaved)
    );
    it.store_fails = false;
    it.fires(|timer| matches!(timer, Timer::SaveTokens(_)));
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.welcomes(&operator, Scopes::full_code());
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
}

#[test]
fn a_refused_full_code_is_asked_for_less_and_then_for_the_node_alone() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.welcomes(&node, Scopes::none());
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.refuses(&operator, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    assert_eq!(operator.scopes, Scopes::limited_code());
    it.refuses(&operator, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    it.dials_nothing();
    let gateway = &it.snapshot().gateways[0];
    assert_eq!(
        (gateway.operator.state, gateway.node.role.state),
        (RoleState::Off, RoleState::Ready)
    );
    assert_eq!(gateway.problems[0].code, ProblemCode::OperatorNotInCode);
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
}

#[test]
fn a_dead_code_says_so_once_and_stops() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(&node, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    it.dials_nothing();
    let gateway = &it.snapshot().gateways[0];
    assert_eq!(gateway.overall, Overall::NeedsYou);
    assert_eq!(gateway.problems[0].code, ProblemCode::SetupCodeRefused);
}

#[test]
fn a_dead_code_leaves_an_existing_pairing_as_it_was() {
    let mut it = Scenario::connected(LOOPBACK);
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(&node, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    let node = it.dials(Role::Node, Credential::Device(Role::Node));
    let operator = it.dials(Role::Operator, Credential::Device(Role::Operator));
    it.welcomes(&node, Scopes::none());
    it.welcomes(&operator, Scopes::full_code());
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
    assert_eq!(it.snapshot().gateways.len(), 1);
}

#[test]
fn the_same_code_again_is_refused_here_and_nothing_is_closed() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    it.pairs_both_on_loopback();
    let closed = it.closed.len();
    let answer = it.sends(Command::Pair {
        code: SetupText::new(code(LOOPBACK, 1)),
        access: Access::Full,
        approve_node: false,
    });
    assert_eq!(
        answer.expect_err("refused").code,
        ProblemCode::SetupCodeUsed
    );
    assert_eq!(it.closed.len(), closed);
}

#[test]
fn text_that_is_no_code_changes_nothing() {
    let mut it = Scenario::paired(LOOPBACK);
    for (text, expected) in [
        ("garbage!".to_owned(), ProblemCode::SetupCodeInvalid),
        (String::new(), ProblemCode::SetupCodeInvalid),
        (code_until(LOOPBACK, 9, 1), ProblemCode::SetupCodeExpired),
    ] {
        let answer = it.sends(Command::Pair {
            code: SetupText::new(text),
            access: Access::Full,
            approve_node: false,
        });
        assert_eq!(answer.expect_err("refused").code, expected);
    }
    assert!(it.closed.is_empty());
    assert_eq!(it.snapshot().gateways.len(), 1);
}

#[test]
fn a_shared_token_connects_the_node_first_on_loopback() {
    let mut it = Scenario::start();
    let answer = it.sends(Command::Connect {
        url: "http://127.0.0.1:18789".to_owned(),
        token: SharedToken::new("t"),
        approve_node: true,
    });
    assert!(matches!(answer, Ok(Done::Accepted { .. })));
    let node = it.dials(Role::Node, Credential::Shared);
    it.dials_nothing();
    it.welcomes(&node, Scopes::none());
    let operator = it.dials(Role::Operator, Credential::Shared);
    assert_eq!(operator.scopes, Scopes::shared_token());
}

#[test]
fn the_loopback_spellings_are_one_gateway() {
    let mut it = Scenario::start();
    for (number, url) in (1..).zip([LOOPBACK, "ws://localhost:18789", "ws://[::1]:18789"]) {
        let text = SetupText::new(code(url, number));
        it.sends(Command::Pair {
            code: text,
            access: Access::Full,
            approve_node: false,
        })
        .expect("accepted");
        it.dialled.clear();
    }
    assert_eq!(it.snapshot().gateways.len(), 1);
}

#[test]
fn a_new_code_is_not_used_before_it_is_stored() {
    let mut it = Scenario::connected(LOOPBACK);
    it.held = Some(vec![]);
    it.hands_in(Command::Pair {
        code: SetupText::new(code(LOOPBACK, 1)),
        access: Access::Full,
        approve_node: false,
    });
    it.dials_nothing();
    let saved = it.held.take().expect("held back").remove(0);
    it.tell(saved);
    it.dials(Role::Node, Credential::Bootstrap);
}

#[test]
fn a_code_that_cannot_be_stored_leaves_everything_as_it_was() {
    let mut it = Scenario::connected(LOOPBACK);
    it.held = Some(vec![]);
    it.hands_in(Command::Pair {
        code: SetupText::new(code(LOOPBACK, 1)),
        access: Access::Full,
        approve_node: true,
    });
    let gateway = it.snapshot().gateways[0].id.clone();
    it.tell(Input::GatewayNotSaved(gateway, VaultTrouble::Locked));
    let problem = it
        .answered
        .pop()
        .expect("an answer")
        .1
        .expect_err("refused");
    assert_eq!(problem.code, ProblemCode::SecretStoreLocked);
    it.dials_both();
}

#[test]
fn a_new_certificate_in_a_code_never_sees_what_was_stored_before() {
    let mut it = Scenario::connected(REMOTE);
    let pin = "ab".repeat(32);
    let with_pin = encode(&json!({"url": REMOTE, "bootstrapToken": "b", "tlsFingerprint": pin}));
    let code = SetupText::new(with_pin);
    it.sends(Command::Pair {
        code,
        access: Access::Full,
        approve_node: false,
    })
    .expect("accepted");
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    assert_eq!(operator.pin.as_ref().map(ToString::to_string), Some(pin));
    it.refuses(&operator, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.refuses(&operator, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(&node, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    for dial in it.dials_both() {
        assert_eq!(dial.pin, None, "{dial:?}");
    }
}

#[test]
fn the_other_addresses_of_a_code_are_tried_until_one_answers() {
    let mut it = Scenario::start();
    let second = "wss://second.example";
    let both = encode(&json!({"url": REMOTE, "urls": [REMOTE, second], "bootstrapToken": "b"}));
    let code = SetupText::new(both);
    it.sends(Command::Pair {
        code,
        access: Access::Full,
        approve_node: false,
    })
    .expect("accepted");
    let first = it.dials(Role::Operator, Credential::Bootstrap);
    it.tell(Input::OpenFailed(first.socket, OpenFailure::Unreachable));
    it.waits_for_redial(Role::Operator);
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    assert_eq!(operator.endpoint.host(), "second.example");
    it.welcomes(&operator, Scopes::full_code());
    assert_eq!(
        it.dials(Role::Node, Credential::Bootstrap).endpoint.host(),
        "second.example"
    );
}

#[test]
fn a_code_that_runs_out_while_a_person_is_awaited_says_so_and_goes() {
    let mut it = Scenario::start();
    it.pastes(REMOTE, Access::Full, false);
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.refuses(
        &operator,
        json!({"code": "PAIRING_REQUIRED", "requestId": "r"}),
    );
    it.now.wall = it.now.wall.plus(600_000);
    it.waits_for_redial(Role::Operator);
    it.dials_nothing();
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
    let gateway = &it.snapshot().gateways[0];
    assert_eq!(
        gateway.operator.problem.as_ref().map(|p| p.code),
        Some(ProblemCode::SetupCodeExpired)
    );
    assert!(it.registry.gateways[0].setup.is_none());
}

#[test]
fn a_role_that_stopped_does_not_hold_up_the_other() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(&node, json!({"code": "SOMETHING_NEW"}));
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.welcomes(&operator, Scopes::full_code());
    let gateway = &it.snapshot().gateways[0];
    assert_eq!(
        (gateway.operator.state, gateway.node.role.state),
        (RoleState::Ready, RoleState::Blocked)
    );
    assert!(it.forgotten.is_empty(), "the node may still redeem it");
}

#[test]
fn a_token_that_was_stored_counts_although_its_socket_is_gone() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.welcomes(&node, Scopes::none());
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.hold_tokens = true;
    it.welcomes(&operator, Scopes::full_code());
    it.tell(Input::Closed(
        operator.socket.clone(),
        Ended {
            code: None,
            lived_ms: 5,
        },
    ));
    it.tell(Input::TokensSaved(operator.socket));
    assert_eq!(it.forgotten, [Credential::Bootstrap]);
    it.waits_for_redial(Role::Operator);
    it.dials(Role::Operator, Credential::Device(Role::Operator));
}

#[test]
fn a_token_of_an_unfinished_code_counts_after_a_crash() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.welcomes(&node, Scopes::none());
    let mut next = Scenario::with(it.registry);
    next.stored = StoredCredentials {
        operator: Some(Scopes::full_code()),
        node: true,
        bootstrap: true,
        ..StoredCredentials::default()
    };
    next.opens_vault();
    next.dials_both();
    assert_eq!(next.forgotten, [Credential::Bootstrap]);
}

#[test]
fn a_refused_code_is_only_worth_knowing_once_all_stands_again() {
    let mut it = Scenario::connected(LOOPBACK);
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.refuses(&node, json!({"code": "AUTH_BOOTSTRAP_TOKEN_INVALID"}));
    assert_eq!(it.snapshot().overall, Overall::NeedsYou);
    let [node, operator] = it.dials_both();
    it.welcomes(&node, Scopes::none());
    it.welcomes(&operator, Scopes::limited_code());
    let asked = it.asks();
    it.answers(&operator, asked, &row("approved", &COMMANDS, None));
    let snapshot = it.snapshot();
    assert_eq!(snapshot.overall, Overall::Ready);
    assert_eq!(
        snapshot.gateways[0].problems[0].code,
        ProblemCode::SetupCodeRefused
    );
}

#[test]
fn the_same_code_while_it_is_being_redeemed_goes_on_and_takes_a_later_yes() {
    let mut it = Scenario::start();
    it.pastes(REMOTE, Access::Full, false);
    it.dials(Role::Operator, Credential::Bootstrap);
    it.pastes(REMOTE, Access::Full, true);
    it.dials_nothing();
    assert!(it.closed.is_empty());
    assert_eq!(it.registry.gateways[0].consent, COMMANDS);
}

#[test]
fn a_node_only_code_is_announced_at_once() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Node, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.welcomes(&node, Scopes::none());
    assert_eq!(it.notified.len(), 1);
}
