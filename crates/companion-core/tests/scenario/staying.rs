//! Staying connected.

use crate::harness::*;
use companion_core::{
    Command, Credential, Effect, Ended, GatewayId, Input, LocalGatewayReport, OpenFailure,
    ProblemCode, Registry, StoredCredentials, Timer, VaultTrouble,
    command::{Access, SetupText},
    snapshot::{Overall, RoleState},
};
use gateway_protocol::{Role, Scopes, SignatureVersion};
use serde_json::json;

#[test]
fn a_restart_needs_no_code_and_asks_for_what_was_granted() {
    let mut it = Scenario::paired(REMOTE);
    let [node, operator] = it.dials_both();
    assert_eq!(operator.scopes, Scopes::limited_code());
    it.welcomes(&operator, Scopes::limited_code());
    it.welcomes(&node, Scopes::none());
    assert!(it.notified.is_empty());
}

#[test]
fn nothing_is_dialled_while_the_store_is_locked_and_all_goes_on_once_it_opens() {
    let mut it = Scenario::with(registry(REMOTE));
    it.tell(Input::VaultFailed(VaultTrouble::Locked));
    it.dials_nothing();
    let snapshot = it.snapshot();
    assert_eq!(
        (snapshot.overall, snapshot.problems[0].code),
        (Overall::NeedsYou, ProblemCode::SecretStoreLocked)
    );
    assert_eq!(
        snapshot.gateways[0].operator.problem, None,
        "a known cause hides its consequences"
    );
    it.fires(|timer| *timer == Timer::OpenVault);
    it.opens_vault();
    it.dials_both();
    assert!(it.snapshot().problems.is_empty());
}

#[test]
fn a_lost_connection_comes_back_by_itself_and_the_other_role_lives_on() {
    let mut it = Scenario::connected(LOOPBACK);
    let node = it.current(Role::Node);
    it.tell(Input::Closed(
        node,
        Ended {
            code: Some(1012),
            lived_ms: 60_000,
        },
    ));
    let gateway = it.snapshot().gateways[0].clone();
    assert_eq!(
        (gateway.node.role.state, gateway.operator.state),
        (RoleState::Retrying, RoleState::Ready)
    );
    let delay = it.waits_for_redial(Role::Node);
    assert!((50..=250).contains(&delay), "{delay}");
    let node = it.dials(Role::Node, Credential::Device(Role::Node));
    it.welcomes(&node, Scopes::none());
}

#[test]
fn a_starting_gateway_raises_no_alarm() {
    let mut it = Scenario::paired(LOOPBACK);
    let [_, operator] = it.dials_both();
    it.tell(Input::OpenFailed(
        operator.socket,
        OpenFailure::Refused(error(json!({"reason": "startup-sidecars"}))),
    ));
    let view = it.snapshot().gateways[0].operator.clone();
    assert_eq!((view.state, view.problem), (RoleState::Retrying, None));
    assert_eq!(it.waits_for_redial(Role::Operator), 500);
}

#[test]
fn a_rejected_device_token_falls_back_to_the_shared_one_for_no_more_than_before() {
    let mut it = Scenario::with(registry(LOOPBACK));
    it.stored = StoredCredentials {
        shared: true,
        ..stored()
    };
    it.opens_vault();
    let [_, operator] = it.dials_both();
    it.refuses(&operator, json!({"code": "AUTH_DEVICE_TOKEN_MISMATCH"}));
    let again = it.dials(Role::Operator, Credential::Shared);
    assert_eq!(again.scopes, Scopes::limited_code());
    assert_eq!(it.forgotten, [Credential::Device(Role::Operator)]);
    assert_eq!(it.notified.len(), 1);
    it.refuses(&again, json!({"code": "AUTH_TOKEN_MISMATCH"}));
    it.dials_nothing();
    let view = &it.snapshot().gateways[0].operator;
    assert_eq!(
        view.problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::SharedTokenRejected)
    );
}

#[test]
fn a_rejected_device_token_without_anything_else_stops_and_says_so() {
    let mut it = Scenario::paired(REMOTE);
    let [_, operator] = it.dials_both();
    it.refuses(&operator, json!({"code": "AUTH_DEVICE_TOKEN_MISMATCH"}));
    it.dials_nothing();
    let gateway = &it.snapshot().gateways[0];
    assert_eq!(gateway.operator.state, RoleState::Blocked);
    assert_eq!(
        gateway.operator.problem.as_ref().map(|p| p.code),
        Some(ProblemCode::DeviceTokenRejected)
    );
    assert_eq!(
        it.forgotten,
        [Credential::Device(Role::Operator)],
        "the node's token is its own"
    );
}

#[test]
fn an_older_signature_is_tried_once() {
    let mut it = Scenario::paired(REMOTE);
    let [_, operator] = it.dials_both();
    it.refuses(&operator, json!({"code": "DEVICE_AUTH_SIGNATURE_INVALID"}));
    let again = it.dials(Role::Operator, Credential::Device(Role::Operator));
    assert_eq!(again.signature, SignatureVersion::V2);
    it.refuses(&again, json!({"code": "DEVICE_AUTH_SIGNATURE_INVALID"}));
    it.dials_nothing();
    assert_eq!(it.snapshot().gateways[0].operator.state, RoleState::Blocked);
}

#[test]
fn news_of_an_older_socket_change_nothing() {
    let mut it = Scenario::connected(LOOPBACK);
    let old = it.current(Role::Operator);
    it.sends(Command::Reconnect {
        gateway: None,
        role: None,
    })
    .expect("done");
    it.dials_both();
    let before = it.snapshot();
    it.tell(Input::Closed(
        old.clone(),
        Ended {
            code: None,
            lived_ms: 1,
        },
    ));
    it.tell(Input::OpenFailed(old.clone(), OpenFailure::Unreachable));
    it.tell(Input::TimerFired(Timer::Redial(old.clone())));
    assert_eq!(it.snapshot(), before);
    it.dials_nothing();
    it.tell(Input::Opened(
        old.clone(),
        welcome(Role::Operator, Scopes::full_code()),
    ));
    assert_eq!(it.snapshot(), before);
    assert!(
        it.closed.contains(&old),
        "a socket that nobody owns is closed"
    );
}

#[test]
fn an_invoke_is_run_and_answered_on_its_own_socket() {
    let mut it = Scenario::connected(LOOPBACK);
    let node = it.current(Role::Node);
    it.tell(event(
        &node,
        "node.invoke.request",
        &json!({"id": "i", "nodeId": "d", "command": "system.which"}),
    ));
    let Some(Effect::RunCommand(invoke, request)) = it.other.pop() else {
        panic!("{:?}", it.other)
    };
    assert_eq!(request.command, "system.which");
    it.tell(Input::CommandRan(invoke, Ok(json!({"bins": {}}))));
    let Some(Effect::AnswerInvoke(socket, answer)) = it.other.pop() else {
        panic!("{:?}", it.other)
    };
    assert_eq!((socket, answer.result), (node, Ok(json!({"bins": {}}))));
}

#[test]
fn forgetting_a_gateway_closes_and_deletes_it() {
    let mut it = Scenario::connected(LOOPBACK);
    it.sends(Command::Forget {
        gateway: "Home".to_owned(),
    })
    .expect("done");
    assert_eq!(it.closed.len(), 2);
    assert!(
        matches!(it.other.last(), Some(Effect::DeleteGateway(_, registry)) if registry.gateways.is_empty())
    );
    assert_eq!(it.snapshot().overall, Overall::NoGateways);
}

#[test]
fn quitting_closes_everything_and_takes_no_more_commands() {
    let mut it = Scenario::connected(LOOPBACK);
    it.sends(Command::Quit).expect("done");
    assert_eq!(it.closed.len(), 2);
    assert!(matches!(it.other.last(), Some(Effect::Exit)));
    let refused = it.sends(Command::Reconnect {
        gateway: None,
        role: None,
    });
    assert_eq!(refused.expect_err("refused").code, ProblemCode::Quitting);
    it.dials_nothing();
}

#[test]
fn ids_are_made_of_random_bits() {
    assert_eq!(
        GatewayId::from_random(0xdead_beef_0000_0000).as_str(),
        "gw-deadbeef"
    );
}

#[test]
fn a_shared_token_is_not_risked_where_the_endpoint_proves_nothing() {
    let mut it = Scenario::with(registry("ws://192.168.1.5:18789"));
    it.stored = StoredCredentials {
        shared: true,
        ..stored()
    };
    it.opens_vault();
    let [_, operator] = it.dials_both();
    it.refuses(&operator, json!({"code": "AUTH_DEVICE_TOKEN_MISMATCH"}));
    it.dials_nothing();
    assert_eq!(it.snapshot().gateways[0].operator.state, RoleState::Blocked);
}

#[test]
fn a_rejection_is_remembered_over_a_restart() {
    let mut it = Scenario::with(registry("ws://192.168.1.5:18789"));
    it.stored = StoredCredentials {
        shared: true,
        ..stored()
    };
    it.opens_vault();
    let [_, operator] = it.dials_both();
    it.refuses(&operator, json!({"code": "AUTH_DEVICE_TOKEN_MISMATCH"}));
    let mut next = Scenario::with(it.registry);
    next.stored = StoredCredentials {
        shared: true,
        operator: None,
        ..stored()
    };
    next.opens_vault();
    next.dials(Role::Node, Credential::Device(Role::Node));
    next.dials_nothing();
}

#[test]
fn a_connection_that_dies_right_after_its_hello_is_not_redialled_faster_and_faster() {
    let mut it = Scenario::paired(REMOTE);
    let [node, mut operator] = it.dials_both();
    it.welcomes(&node, Scopes::none());
    let mut delays = vec![];
    for _ in 0..30 {
        it.welcomes(&operator, Scopes::limited_code());
        it.tell(Input::Closed(
            operator.socket.clone(),
            Ended {
                code: None,
                lived_ms: 5,
            },
        ));
        delays.push(it.waits_for_redial(Role::Operator));
        operator = it.dials(Role::Operator, Credential::Device(Role::Operator));
    }
    assert!(
        delays.iter().skip(10).any(|delay| *delay > 5_000),
        "{delays:?}"
    );
}

#[test]
fn a_code_that_comes_before_the_store_has_answered_waits_for_it() {
    let mut it = Scenario::with(Registry::default());
    it.stored = StoredCredentials::default();
    it.hands_in(Command::Pair {
        code: SetupText::new(code(LOOPBACK, 1)),
        access: Access::Full,
        approve_node: false,
    });
    assert!(it.answered.is_empty());
    it.opens_vault();
    assert!(it.answered.pop().expect("an answer").1.is_ok());
    it.dials(Role::Node, Credential::Bootstrap);
}

#[test]
fn the_own_gateway_is_paired_once_the_store_opens() {
    let mut it = Scenario::with(Registry::default());
    it.tell(Input::VaultFailed(VaultTrouble::Locked));
    it.tell(Input::LocalGateway(LocalGatewayReport::Ready));
    assert!(it.other.is_empty(), "{:?}", it.other);
    it.opens_vault();
    assert!(
        matches!(it.other[..], [Effect::MintSetupCode]),
        "{:?}",
        it.other
    );
    it.tell(Input::LocalGateway(LocalGatewayReport::SetupCode(
        SetupText::new(code(LOOPBACK, 1)),
    )));
    it.dials(Role::Node, Credential::Bootstrap);
    assert_eq!(it.other.len(), 1, "one code is enough");
}

#[test]
fn less_than_what_was_asked_for_is_told_after_a_restart_too() {
    let mut it = Scenario::start();
    it.pastes(LOOPBACK, Access::Full, false);
    let node = it.dials(Role::Node, Credential::Bootstrap);
    it.welcomes(&node, Scopes::none());
    let operator = it.dials(Role::Operator, Credential::Bootstrap);
    it.welcomes(&operator, Scopes::limited_code());
    let mut next = Scenario::with(it.registry);
    next.opens_vault();
    let [_, operator] = next.dials_both();
    next.welcomes(&operator, Scopes::limited_code());
    let view = &next.snapshot().gateways[0].operator;
    assert_eq!(
        view.problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::ScopesMissing)
    );
}
