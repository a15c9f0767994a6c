//! Every frame that a real gateway was recorded to send can be read, and what we send has the recorded shape.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test reads its recordings and stops at the first surprise"
)]

use gateway_protocol::{
    Auth, BootstrapToken, Challenge, ClientId, ClientInfo, ClientMode, Connect, DetailCode,
    DeviceIdentity, Frame, HelloOk, IdentitySeed, PairingReason, Request, Role, Scopes,
    SignatureVersion,
    node::{InvokeRequest, NodePairEvent, NodeRow},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn every_recorded_frame_of_the_gateway_reads() {
    let (mut responses, mut events) = (0, 0);
    for line in lines() {
        match Frame::parse(&line.frame.to_string())
            .unwrap_or_else(|error| panic!("{}: {error}", line.place))
        {
            Frame::Response(_) => responses += 1,
            Frame::Event(_) => events += 1,
            Frame::Unknown => panic!("{}: unknown kind", line.place),
        }
    }
    assert!(
        responses > 100 && events > 100,
        "{responses} responses, {events} events"
    );
}

#[test]
fn every_recorded_hello_gives_a_token_and_a_policy() {
    let mut hellos = BTreeMap::new();
    for line in lines() {
        if line.frame["payload"]["type"] != "hello-ok" {
            continue;
        }
        let hello: HelloOk = serde_json::from_value(line.frame["payload"].clone()).expect("hello");
        assert_eq!(
            hello.protocol,
            gateway_protocol::PROTOCOL_VERSION,
            "{}",
            line.place
        );
        assert_eq!(hello.policy.tick_interval_ms, 30_000, "{}", line.place);
        assert_eq!(hello.server.version, "2026.9.6", "{}", line.place);
        *hellos.entry(hello.auth.device_token.is_some()).or_insert(0) += 1;
    }
    assert!(hellos[&true] > 20, "{hellos:?}");
}

#[test]
fn every_recorded_refusal_has_a_code_to_branch_on() {
    let mut seen = Vec::new();
    for line in lines() {
        let Ok(Frame::Response(response)) = Frame::parse(&line.frame.to_string()) else {
            continue;
        };
        let Err(error) = response.result else {
            continue;
        };
        assert!(!error.code.is_empty(), "{}", line.place);
        if error.details.code == Some(DetailCode::PairingRequired) {
            assert!(error.details.request_id.is_some(), "{}", line.place);
            seen.push(error.pairing_reason());
        }
    }
    for reason in [PairingReason::NotPaired, PairingReason::RoleUpgrade] {
        assert!(seen.contains(&Some(reason)), "{reason:?} is in no trace");
    }
}

#[test]
fn recorded_invokes_rows_and_pairing_events_read() {
    let (mut invokes, mut rows, mut pairings) = (0, 0, 0);
    for line in lines() {
        let payload = line.frame["payload"].clone();
        match line.frame["event"].as_str() {
            Some("node.invoke.request") => {
                let invoke: InvokeRequest = serde_json::from_value(payload).expect("invoke");
                assert_eq!(invoke.node_id.as_str().len(), 64, "{}", line.place);
                invokes += 1;
            }
            Some("node.pair.requested" | "node.pair.resolved") => {
                serde_json::from_value::<NodePairEvent>(payload).expect("pair event");
                pairings += 1;
            }
            Some(_) => {}
            None if payload["approvalState"].is_string() => {
                serde_json::from_value::<NodeRow>(payload).expect("row");
                rows += 1;
            }
            None => {}
        }
    }
    assert!(
        invokes > 5 && rows > 0 && pairings > 2,
        "{invokes} invokes, {rows} rows, {pairings} pairing events"
    );
}

#[test]
fn our_connect_has_the_shape_that_the_gateway_accepted() {
    let recorded = all_lines()
        .into_iter()
        .find(|line| {
            line.frame["method"] == "connect"
                && line.frame["params"]["auth"]["bootstrapToken"].is_string()
                && line.frame["params"]["commands"].is_array()
        })
        .expect("a recorded connect");
    let identity = DeviceIdentity::from_seed(&IdentitySeed::new([1; 32]));
    let connect = Connect {
        client: ClientInfo {
            id: ClientId::NodeHost,
            mode: ClientMode::Node,
            version: "0.1.0".to_owned(),
            platform: "linux".to_owned(),
            device_family: "Linux".to_owned(),
            display_name: Some("Companion".to_owned()),
            instance_id: None,
        },
        role: Role::Node,
        scopes: Scopes::none(),
        caps: vec!["system".to_owned()],
        commands: vec!["system.which".to_owned()],
        auth: Auth::Bootstrap(BootstrapToken::new("b")),
        user_agent: Some("claw-companion/0.1.0".to_owned()),
    };
    let challenge = Challenge {
        nonce: "n".to_owned(),
        ts: 1,
    };
    let text = Request::new(
        "1",
        "connect",
        connect.signed(&identity, &challenge, SignatureVersion::V3),
    )
    .to_text()
    .expect("serialises");
    let ours: Value = serde_json::from_str(&text).expect("JSON");
    let (ours, theirs) = (shape(&ours["params"]), shape(&recorded.frame["params"]));
    let unknown: Vec<_> = ours.iter().filter(|key| !theirs.contains(key)).collect();
    assert!(
        unknown.is_empty(),
        "never accepted by a gateway: {unknown:?}"
    );
    let left_out: Vec<_> = theirs
        .iter()
        .filter(|key| !ours.contains(key))
        .map(String::as_str)
        .collect();
    assert_eq!(left_out, ["locale"]);
}

struct Line {
    place: String,
    frame: Value,
}

/// Frames from the gateway, without the recorder's own notes.
fn lines() -> Vec<Line> {
    read("in")
}

fn all_lines() -> Vec<Line> {
    read("out")
}

fn read(direction: &str) -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("traces")
        .map(|entry| entry.expect("entry").path())
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        for (number, text) in fs::read_to_string(&file)
            .expect("trace")
            .lines()
            .enumerate()
        {
            let value: Value = serde_json::from_str(text).expect("a line of JSON");
            if value["dir"] == direction && value["frame"]["type"].is_string() {
                let place = format!(
                    "{}:{}",
                    file.file_name().expect("name").display(),
                    number + 1
                );
                found.push(Line {
                    place,
                    frame: value["frame"].clone(),
                });
            }
        }
    }
    found
}

/// Every key of an object, with the keys of objects in it.
fn shape(value: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, inner) in value.as_object().into_iter().flatten() {
        keys.push(key.clone());
        keys.extend(
            shape(inner)
                .into_iter()
                .map(|below| format!("{key}.{below}")),
        );
    }
    keys.sort();
    keys
}
