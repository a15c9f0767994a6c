//! What we send and read fits the machine contract in the gateway's own protocol package.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use companion_core::Query;
use gateway_protocol::{
    Auth, BootstrapToken, Challenge, ClientId, ClientInfo, ClientMode, Connect, DeviceId,
    DeviceIdentity, DeviceToken, IdentitySeed, Request, Role, Scopes, SharedToken,
    SignatureVersion, node::InvokeResult,
};
use serde::Serialize;
use serde_json::{Value, json};
use test_support::npm_packages;

const PACKAGE: &str = "@openclaw/gateway-protocol@2026.9.1";

#[tokio::test]
async fn every_request_of_ours_is_valid() {
    let contract = Contract::read().await;
    let device = DeviceId::new("d".repeat(64));
    for (role, client, mode, auth) in [
        (
            Role::Operator,
            ClientId::OpenclawLinux,
            ClientMode::Ui,
            Auth::Device(DeviceToken::new("t")),
        ),
        (
            Role::Operator,
            ClientId::OpenclawMacos,
            ClientMode::Ui,
            Auth::Shared(SharedToken::new("t")),
        ),
        (
            Role::Operator,
            ClientId::GatewayClient,
            ClientMode::Ui,
            Auth::None,
        ),
        (
            Role::Node,
            ClientId::NodeHost,
            ClientMode::Node,
            Auth::Bootstrap(BootstrapToken::new("t")),
        ),
    ] {
        let connect = connect(role, client, mode, auth);
        let identity = DeviceIdentity::from_seed(&IdentitySeed::new([3; 32]));
        let challenge = Challenge {
            nonce: "n".to_owned(),
            ts: 1_795_189_837_237,
        };
        let signed = connect.signed(&identity, &challenge, SignatureVersion::V3);
        contract.accepts("ConnectParams", &signed);
        contract.accepts("RequestFrame", &Request::new("1", "connect", &signed));
    }
    for (definition, query) in [
        ("NodeDescribeParams", Query::DescribeNode(device.clone())),
        ("NodePairApproveParams", Query::ApproveNode("r".to_owned())),
        (
            "DevicePairApproveParams",
            Query::ApproveDevice("r".to_owned()),
        ),
    ] {
        let params = query.params();
        assert_eq!(definition, format!("{}Params", in_capitals(query.method())));
        contract.accepts(definition, &params);
        contract.accepts("RequestFrame", &Request::new("1", query.method(), &params));
    }
    contract.accepts(
        "NodeInvokeResultParams",
        &InvokeResult::done("i", &device, &json!({"a": 1})),
    );
    contract.accepts(
        "NodeInvokeResultParams",
        &InvokeResult::failed("i", &device, "PAUSED", "It is paused."),
    );
}

#[tokio::test]
async fn what_the_contract_forbids_is_noticed_here() {
    let contract = Contract::read().await;
    let extra = json!({"nodeId": "d", "extra": 1});
    assert!(
        !contract.is_valid("NodeDescribeParams", &extra),
        "requests are closed objects"
    );
}

#[tokio::test]
async fn every_field_that_we_read_is_in_the_contract() {
    let contract = Contract::read().await;
    for (definition, fields) in [
        ("EventFrame", vec!["event", "payload", "seq"]),
        ("ResponseFrame", vec!["id", "ok", "payload", "error"]),
        (
            "ErrorShape",
            vec!["code", "message", "details", "retryable", "retryAfterMs"],
        ),
        (
            "HelloOk",
            vec![
                "protocol",
                "server.version",
                "server.bootId",
                "auth.scopes",
                "auth.deviceToken",
                "auth.issuedAtMs",
                "auth.deviceTokens",
                "policy.maxPayload",
                "policy.tickIntervalMs",
            ],
        ),
        (
            "NodeInvokeRequestEvent",
            vec![
                "id",
                "nodeId",
                "command",
                "paramsJSON",
                "timeoutMs",
                "idempotencyKey",
            ],
        ),
    ] {
        for field in fields {
            let path: Vec<_> = field.split('.').collect();
            assert!(
                contract.has(definition, &path),
                "{definition} has no {field}"
            );
        }
    }
}

/// `node.pair.approve` becomes `NodePairApprove`: how the contract names the definitions of a method.
fn in_capitals(method: &str) -> String {
    let words = method.split('.').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

struct Contract(Value);

impl Contract {
    async fn read() -> Self {
        let modules = npm_packages("gateway-protocol", &[PACKAGE]).await;
        let file = modules.join("@openclaw/gateway-protocol/protocol.schema.json");
        let text = std::fs::read_to_string(file).expect("the package holds its contract");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    fn accepts(&self, definition: &str, value: &impl Serialize) {
        let value = serde_json::to_value(value).expect("JSON");
        let validator = self.validator(definition);
        let wrong: Vec<_> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{definition}: {wrong:?}");
    }

    fn is_valid(&self, definition: &str, value: &Value) -> bool {
        self.validator(definition).is_valid(value)
    }

    fn validator(&self, definition: &str) -> jsonschema::Validator {
        let schema = &self.0["definitions"][definition];
        assert!(schema.is_object(), "no {definition} in the contract");
        assert!(
            !schema.to_string().contains("$ref"),
            "{definition} leans on other definitions"
        );
        jsonschema::validator_for(schema).expect("a schema")
    }

    fn has(&self, definition: &str, path: &[&str]) -> bool {
        path.iter()
            .try_fold(&self.0["definitions"][definition], |at, name| {
                at["properties"].get(*name)
            })
            .is_some()
    }
}

fn connect(role: Role, id: ClientId, mode: ClientMode, auth: Auth) -> Connect {
    Connect {
        client: ClientInfo {
            id,
            mode,
            version: "0.1.0".to_owned(),
            platform: "linux".to_owned(),
            device_family: "Linux".to_owned(),
            display_name: Some("host (0123abcd)".to_owned()),
            instance_id: Some("0123abcd".to_owned()),
        },
        role,
        scopes: if role == Role::Operator {
            Scopes::full_code()
        } else {
            Scopes::none()
        },
        caps: vec!["system".to_owned()],
        commands: if role == Role::Node {
            vec!["system.which".to_owned()]
        } else {
            vec![]
        },
        auth,
        user_agent: Some("claw-companion/0.1.0".to_owned()),
    }
}
