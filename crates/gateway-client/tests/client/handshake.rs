//! From an address to a hello, and every way to fail on it.

use crate::common::{PATIENCE, Peer, connected, dial, fresh_nonce, serve, serve_http, serve_tcp};
use gateway_client::{ChallengeProblem, ConnectError, Dial, HelloProblem, Phase, connect};
use gateway_protocol::{DetailCode, Fingerprint, PairingReason};
use serde_json::{Value, json};
use std::{
    future::pending,
    time::{Duration, Instant},
};
use test_support::{FakeGateway, Reply, payloads};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn says_hello_after_a_signed_connect() {
    let gateway = FakeGateway::builder().start().await;
    let connected = connected(&gateway.url()).await;
    assert_eq!(connected.hello.protocol, 4);
    let token = connected.hello.auth.device_token.as_ref();
    assert_eq!(
        token.map(|token| token.expose()),
        Some("device-token-of-operator")
    );
    let connects = gateway.connects();
    let [connect] = connects.as_slice() else {
        panic!("{} connects", connects.len())
    };
    assert_eq!(connect["auth"], json!({"token": "the-shared-token"}));
    assert_eq!(
        connect["device"]["signature"].as_str().map(str::len),
        Some(86)
    );
    assert!(connect["device"]["signedAt"].is_u64());
}

#[tokio::test]
async fn the_path_of_the_address_is_kept() {
    let gateway = FakeGateway::builder().start().await;
    let _connected = connected(&format!("{}/some/path", gateway.url())).await;
    assert_eq!(gateway.paths(), ["/some/path"]);
}

#[tokio::test]
async fn signs_the_challenge_of_this_socket_with_its_time() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.challenge(json!({"nonce": "of-this-socket", "ts": 1_795_189_837_237_u64}))
            .await;
        let connect = peer.request().await.expect("a connect");
        peer.answer(&connect, json!({"protocol": 4})).await;
        connect
    })
    .await;
    connected(&url).await;
    let connect = served.next().await;
    assert_eq!(connect["params"]["device"]["nonce"], "of-this-socket");
    assert_eq!(
        connect["params"]["device"]["signedAt"],
        1_795_189_837_237_u64
    );
}

#[tokio::test]
async fn a_refusal_carries_its_details_and_close_code() {
    let gateway = FakeGateway::builder()
        .on_connect(|_| Reply::Reject {
            error: payloads::pairing_required("role-upgrade", "request-1"),
            close: 1008,
        })
        .start()
        .await;
    let Err(ConnectError::Gateway { error, close }) = connect(dial(&gateway.url())).await else {
        panic!("no refusal")
    };
    assert_eq!(error.details.code, Some(DetailCode::PairingRequired));
    assert_eq!(error.pairing_reason(), Some(PairingReason::RoleUpgrade));
    assert_eq!(error.details.request_id.as_deref(), Some("request-1"));
    assert_eq!(close, Some(1008));
}

#[tokio::test]
async fn a_refusal_without_a_close_is_told_soon() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.challenge(good_challenge()).await;
        let connect = peer.request().await.expect("a connect");
        peer.send(
            json!({"type": "res", "id": connect["id"], "ok": false, "error": payloads::starting()}),
        )
        .await;
        pending::<()>().await;
    })
    .await;
    let started = Instant::now();
    let Err(ConnectError::Gateway { error, close }) = connect(dial(&url)).await else {
        panic!("no refusal")
    };
    assert!(error.is_starting());
    assert_eq!(error.retry_after_ms, Some(500));
    assert_eq!(close, None);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn each_step_has_its_time() {
    let (mute, _served) = serve_tcp(|tcp| async move {
        let _open = tcp;
        pending::<()>().await;
    })
    .await;
    let mut upgrade = dial(&format!("ws://{mute}"));
    upgrade.limits.reach = SHORT;
    assert_times_out(upgrade, Phase::Upgrade).await;

    let mut tls = dial(&format!("wss://{mute}"));
    tls.pin = Some(Fingerprint::new([0; 32]));
    tls.limits.reach = SHORT;
    assert_times_out(tls, Phase::Tls).await;

    let gateway = FakeGateway::builder().without_challenge().start().await;
    let mut challenge = dial(&gateway.url());
    challenge.limits.challenge = SHORT;
    assert_times_out(challenge, Phase::Challenge).await;

    let gateway = FakeGateway::builder()
        .on_connect(|_| Reply::Silence)
        .start()
        .await;
    let mut hello = dial(&gateway.url());
    hello.limits.hello = SHORT;
    assert_times_out(hello, Phase::Hello).await;
}

#[tokio::test]
async fn the_whole_handshake_has_its_time_too() {
    let gateway = FakeGateway::builder()
        .on_connect(|_| Reply::Silence)
        .start()
        .await;
    let mut dial = dial(&gateway.url());
    dial.limits.handshake = SHORT;
    assert_times_out(dial, Phase::Hello).await;
}

#[tokio::test]
async fn a_slow_hello_within_its_time_is_waited_for() {
    let gateway = FakeGateway::builder().reply_delay(SHORT).start().await;
    connected(&gateway.url()).await;
}

#[tokio::test]
async fn an_unusable_challenge_is_not_signed() {
    for (frame, problem) in [
        (
            challenge(json!({"nonce": "", "ts": 1})),
            ChallengeProblem::EmptyNonce,
        ),
        (
            challenge(json!({"nonce": "n", "ts": "soon"})),
            ChallengeProblem::Unreadable,
        ),
        (
            challenge(json!({"nonce": "n", "ts": -1})),
            ChallengeProblem::Unreadable,
        ),
        (
            challenge(json!({"nonce": "n"})),
            ChallengeProblem::Unreadable,
        ),
        (
            challenge(json!({"nonce": "n".repeat(1000), "ts": 1})),
            ChallengeProblem::Unreadable,
        ),
        (
            json!({"type": "event", "event": "tick", "payload": {}}),
            ChallengeProblem::Missing,
        ),
        (json!([]), ChallengeProblem::Missing),
    ] {
        let sent = frame.clone();
        let (url, mut served) = serve(move |mut peer: Peer<TcpStream>| {
            let frame = sent.clone();
            async move {
                peer.send(frame).await;
                peer.request().await
            }
        })
        .await;
        let error = connect(dial(&url)).await.err();
        assert!(
            matches!(&error, Some(ConnectError::BadChallenge(found)) if *found == problem),
            "{frame}: {error:?}"
        );
        assert_eq!(served.next().await, None, "{frame} was answered");
    }
}

#[tokio::test]
async fn a_nonce_is_signed_once_in_this_process() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.challenge(json!({"nonce": "the-same", "ts": 1})).await;
        let connect = peer.request().await?;
        peer.answer(&connect, json!({"protocol": 4})).await;
        Some(connect)
    })
    .await;
    let first = dial(&url);
    let mut second = dial(&url);
    second.nonces = first.nonces.clone();
    connect(first).await.expect("connects");
    assert!(served.next().await.is_some());
    let error = connect(second).await.err();
    assert!(
        matches!(error, Some(ConnectError::NonceReused)),
        "{error:?}"
    );
    assert_eq!(served.next().await, None);
}

#[tokio::test]
async fn a_second_challenge_ends_the_handshake() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.challenge(good_challenge()).await;
        peer.challenge(good_challenge()).await;
        peer.close_code().await
    })
    .await;
    let error = connect(dial(&url)).await.err();
    assert!(
        matches!(
            error,
            Some(ConnectError::BadChallenge(ChallengeProblem::Repeated))
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_hello_that_is_none_of_ours_is_refused() {
    for (payload, problem) in [
        (
            json!({"protocol": 3, "policy": "of another shape"}),
            HelloProblem::Protocol(3),
        ),
        (json!({"type": "hello-ok"}), HelloProblem::Unreadable),
        (json!(null), HelloProblem::Unreadable),
        (json!({"protocol": 4, "auth": 7}), HelloProblem::Unreadable),
    ] {
        let hello = payload.clone();
        let (url, mut served) = serve(move |mut peer: Peer<TcpStream>| {
            let hello = hello.clone();
            async move {
                peer.challenge(good_challenge()).await;
                let connect = peer.request().await.expect("a connect");
                peer.answer(&connect, hello).await;
                peer.close_code().await
            }
        })
        .await;
        let error = connect(dial(&url)).await.err();
        assert!(
            matches!(&error, Some(ConnectError::BadHello(found)) if *found == problem),
            "{payload}: {error:?}"
        );
        assert_eq!(served.next().await, Some(1002));
    }
}

#[tokio::test]
async fn an_absurd_policy_is_clamped() {
    for (policy, tick, payload) in [
        (json!({"tickIntervalMs": 1, "maxPayload": 1}), 1_000, 65_536),
        (
            json!({"tickIntervalMs": 86_400_000, "maxPayload": 1_u64 << 40}),
            120_000,
            64 * 1024 * 1024,
        ),
        (json!({}), 30_000, 26_214_400),
    ] {
        let (url, _served) = serve(move |mut peer: Peer<TcpStream>| {
            let policy = policy.clone();
            async move { peer.greet(policy).await }
        })
        .await;
        let hello = connected(&url).await.hello;
        assert_eq!(
            (hello.policy.tick_interval_ms, hello.policy.max_payload),
            (tick, payload)
        );
    }
}

#[tokio::test]
async fn a_hello_of_a_busy_gateway_may_be_large() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.challenge(good_challenge()).await;
        let connect = peer.request().await.expect("a connect");
        let methods = vec!["a.method.of.this.gateway"; 10_000];
        peer.answer(
            &connect,
            json!({"protocol": 4, "features": {"methods": methods}}),
        )
        .await;
        peer.request().await
    })
    .await;
    connected(&url).await;
}

#[tokio::test]
async fn a_large_frame_before_the_challenge_is_refused() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.text("x".repeat(100 * 1024)).await;
        peer.close_code().await
    })
    .await;
    let error = connect(dial(&url)).await.err();
    assert!(matches!(error, Some(ConnectError::Oversized)), "{error:?}");
    // the close frame may be lost with the bytes that nobody read
    assert!(matches!(served.next().await, Some(1009) | None));
}

#[tokio::test]
async fn a_binary_frame_before_hello_is_refused() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.message(Message::binary(good_challenge().to_string().into_bytes()))
            .await;
        peer.close_code().await
    })
    .await;
    let error = connect(dial(&url)).await.err();
    assert!(matches!(error, Some(ConnectError::Unreadable)), "{error:?}");
    assert_eq!(served.next().await, Some(1003));
}

#[tokio::test]
async fn what_is_not_a_gateway_is_named_by_its_status() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Some(200)),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            Some(401),
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", None),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            None,
        ),
    ] {
        let (url, _served) = serve_http(answer).await;
        let error = connect(dial(&url)).await.err();
        assert!(
            matches!(error, Some(ConnectError::NotAGateway { status }) if status == expected),
            "{answer:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let location = elsewhere.local_addr().expect("an address");
    let answer =
        format!("HTTP/1.1 301 Moved\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n");
    let (url, _served) = serve_http(Box::leak(answer.into_boxed_str())).await;
    let error = connect(dial(&url)).await.err();
    assert!(
        matches!(error, Some(ConnectError::NotAGateway { status: Some(301) })),
        "{error:?}"
    );
    let visit = tokio::time::timeout(SHORT, elsewhere.accept()).await;
    assert!(visit.is_err(), "somebody followed the redirect");
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() {
    for (answer, expected) in [
        (
            "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            (503, Some(Duration::from_secs(7))),
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", (502, None)),
        (
            "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\n\r\n",
            (429, Some(Duration::from_hours(24))),
        ),
    ] {
        let (url, _served) = serve_http(answer).await;
        let Err(ConnectError::RetryLater {
            status,
            retry_after,
        }) = connect(dial(&url)).await
        else {
            panic!("{answer:?} is no request to retry")
        };
        assert_eq!((status, retry_after), expected);
    }
}

#[tokio::test]
async fn endless_headers_are_not_read_to_the_end() {
    let header = format!("X-Filler: {}\r\n", "x".repeat(8000));
    let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{}", header.repeat(50));
    let (url, _served) = serve_http(Box::leak(answer.into_boxed_str())).await;
    let error = connect(dial(&url)).await.err();
    assert!(
        matches!(error, Some(ConnectError::NotAGateway { status: None })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_that_ends_early_tells_its_code() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.message(Message::Close(None)).await;
        peer.close_code().await
    })
    .await;
    let error = connect(dial(&url)).await.err();
    assert!(
        matches!(&error, Some(ConnectError::ClosedEarly { code: None, .. })),
        "{error:?}"
    );

    let gateway = FakeGateway::builder()
        .on_connect(|_| Reply::Reset)
        .start()
        .await;
    let error = connect(dial(&gateway.url())).await.err();
    assert!(
        matches!(&error, Some(ConnectError::ClosedEarly { code: None, .. })),
        "{error:?}"
    );

    let (address, _served) = serve_tcp(|tcp| async move { drop(tcp) }).await;
    let error = connect(dial(&format!("ws://{address}"))).await.err();
    assert!(
        matches!(&error, Some(ConnectError::ClosedEarly { code: None, .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let gateway = FakeGateway::builder().start().await;
    gateway.stop_listening().await;
    let error = connect(dial(&gateway.url())).await.err();
    assert!(matches!(error, Some(ConnectError::Refused)), "{error:?}");
}

#[tokio::test]
async fn a_pin_without_tls_is_refused_before_anything_is_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let mut dial = dial(&format!("ws://{}", listener.local_addr().expect("bound")));
    dial.pin = Some(Fingerprint::new([0; 32]));
    let error = connect(dial).await.err();
    assert!(
        matches!(error, Some(ConnectError::PinWithoutTls)),
        "{error:?}"
    );
    assert!(
        tokio::time::timeout(SHORT, listener.accept())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn dropping_the_attempt_closes_its_socket() {
    let gateway = FakeGateway::builder()
        .on_connect(|_| Reply::Silence)
        .start()
        .await;
    let attempt = tokio::spawn(connect(dial(&gateway.url())));
    gateway.wait_for_connects(1, PATIENCE).await;
    attempt.abort();
    gateway.wait_for_closed(1, PATIENCE).await;
}

async fn assert_times_out(dial: Dial, phase: Phase) {
    let started = Instant::now();
    let error = connect(dial).await.err();
    assert!(
        matches!(error, Some(ConnectError::TimedOut(found)) if found == phase),
        "{phase}: {error:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(3));
}

fn good_challenge() -> Value {
    json!({"nonce": fresh_nonce(), "ts": 1})
}

fn challenge(payload: Value) -> Value {
    json!({"type": "event", "event": "connect.challenge", "payload": payload})
}
