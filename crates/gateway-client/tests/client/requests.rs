//! Requests and their answers, and what becomes of them when the connection ends.

use crate::common::{PATIENCE, Peer, connected, dial, end, serve};
use gateway_client::{CloseCause, Incident, RequestError, connect};
use serde_json::{Value, json};
use std::{
    future::pending,
    time::{Duration, Instant},
};
use test_support::{Answer, FakeGateway};
use tokio::net::TcpStream;

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_request_gets_its_payload() {
    let gateway = FakeGateway::builder()
        .on_request(|method, params| json!({"method": method, "params": params}))
        .start()
        .await;
    let connected = connected(&gateway.url()).await;
    let payload = connected
        .link
        .request("node.list", json!({"a": 1}))
        .await
        .expect("an answer");
    let payload: Value = serde_json::from_str(payload.get()).expect("JSON");
    assert_eq!(payload, json!({"method": "node.list", "params": {"a": 1}}));
}

#[tokio::test]
async fn a_refused_request_carries_the_error() {
    let gateway = FakeGateway::builder()
        .on_request(|_, _| {
            Answer::Error(json!({"code": "FORBIDDEN", "message": "m",
                "details": {"code": "MISSING_SCOPE", "missingScope": "operator.admin"}}))
        })
        .start()
        .await;
    let connected = connected(&gateway.url()).await;
    let Err(RequestError::Gateway(error)) = connected.link.request("x", json!({})).await else {
        panic!("no refusal")
    };
    assert_eq!(error.code, "FORBIDDEN");
    assert_eq!(
        error.details.missing_scope.as_deref(),
        Some("operator.admin")
    );
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        let mut requests = vec![];
        while requests.len() < 64 {
            requests.push(peer.request().await.expect("a request"));
        }
        for request in requests.iter().rev() {
            peer.answer(request, request["params"].clone()).await;
        }
        peer.request().await
    })
    .await;
    let connected = connected(&url).await;
    let requests: Vec<_> = (0..64)
        .map(|number| {
            let link = connected.link.clone();
            tokio::spawn(async move {
                let answer = link.request("echo", json!({ "number": number })).await;
                (number, answer.expect("an answer"))
            })
        })
        .collect();
    for request in requests {
        let (number, answer) = request.await.expect("no panic");
        assert_eq!(answer.get(), json!({ "number": number }).to_string());
    }
}

#[tokio::test]
async fn a_late_answer_is_ignored() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        let slow = peer.request().await.expect("a request");
        let quick = peer.request().await.expect("a request");
        peer.answer(&slow, json!("late")).await;
        peer.answer(&json!({"id": "of nobody"}), json!("stray"))
            .await;
        peer.answer(&quick, json!("in time")).await;
        peer.answer(&quick, json!("again")).await;
        let last = peer.request().await.expect("a request");
        peer.answer(&last, json!("last")).await;
        peer.request().await
    })
    .await;
    let connected = connected(&url).await;
    let late = connected
        .link
        .request_within("slow", json!({}), SHORT)
        .await
        .err();
    assert!(matches!(late, Some(RequestError::TimedOut)), "{late:?}");
    for expected in ["\"in time\"", "\"last\""] {
        let answer = connected.link.request("quick", json!({})).await;
        assert_eq!(answer.expect("an answer").get(), expected);
    }
}

#[tokio::test]
async fn a_dropped_request_is_forgotten() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        let dropped = peer.request().await.expect("a request");
        let kept = peer.request().await.expect("a request");
        peer.answer(&dropped, json!("dropped")).await;
        peer.answer(&kept, json!("kept")).await;
        peer.request().await
    })
    .await;
    let connected = connected(&url).await;
    let request = connected.link.request("dropped", json!({}));
    assert!(tokio::time::timeout(SHORT, request).await.is_err());
    let answer = connected.link.request("kept", json!({})).await;
    assert_eq!(answer.expect("an answer").get(), "\"kept\"");
}

#[tokio::test]
async fn waiting_requests_fail_at_once_when_the_gateway_closes() {
    let gateway = FakeGateway::builder()
        .on_request(|_, _| Answer::Silence)
        .start()
        .await;
    let mut connected = connected(&gateway.url()).await;
    let link = connected.link.clone();
    let waiting = tokio::spawn(async move {
        let result = link.request("x", json!({})).await;
        (result, Instant::now())
    });
    gateway.wait_for_request("x", PATIENCE).await;
    let closing = Instant::now();
    gateway.close_all(1012);
    let (result, failed) = waiting.await.expect("no panic");
    assert!(matches!(result, Err(RequestError::Closed)), "{result:?}");
    assert!(failed.duration_since(closing) < Duration::from_millis(500));
    let closed = end(&mut connected.incoming).await;
    assert_eq!(
        (closed.code, closed.cause),
        (Some(1012), CloseCause::ByPeer)
    );
    assert!(closed.after > Duration::ZERO);
    assert!(connected.incoming.next().await.is_none());
    let after = connected.link.request("y", json!({})).await;
    assert!(matches!(after, Err(RequestError::Closed)), "{after:?}");
}

#[tokio::test]
async fn waiting_requests_fail_at_once_when_the_connection_is_cut() {
    let gateway = FakeGateway::builder()
        .on_request(|_, _| Answer::Silence)
        .start()
        .await;
    let mut connected = connected(&gateway.url()).await;
    let link = connected.link.clone();
    let waiting = tokio::spawn(async move { link.request("x", json!({})).await });
    gateway.wait_for_request("x", PATIENCE).await;
    gateway.reset_all();
    let result = waiting.await.expect("no panic");
    assert!(matches!(result, Err(RequestError::Closed)), "{result:?}");
    let closed = end(&mut connected.incoming).await;
    assert_eq!((closed.code, closed.cause), (None, CloseCause::Lost));
}

#[tokio::test]
async fn closing_says_goodbye() {
    let gateway = FakeGateway::builder()
        .on_request(|_, _| Answer::Silence)
        .start()
        .await;
    let mut connected = connected(&gateway.url()).await;
    let link = connected.link.clone();
    let waiting = tokio::spawn(async move { link.request("x", json!({})).await });
    gateway.wait_for_request("x", PATIENCE).await;
    connected.link.close();
    let result = waiting.await.expect("no panic");
    assert!(matches!(result, Err(RequestError::Closed)), "{result:?}");
    let closed = end(&mut connected.incoming).await;
    assert_eq!((closed.code, closed.cause), (Some(1000), CloseCause::ByUs));
    let ended = gateway.wait_for_closed(1, PATIENCE).await;
    assert_eq!(ended[0].code, Some(1000));
}

#[tokio::test]
async fn closing_does_not_wait_for_a_mute_gateway() {
    let gateway = FakeGateway::builder().start().await;
    let mut connected = connected(&gateway.url()).await;
    gateway.go_silent();
    let started = Instant::now();
    connected.link.close();
    let closed = end(&mut connected.incoming).await;
    assert_eq!(closed.cause, CloseCause::ByUs);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn dropping_the_last_link_says_goodbye() {
    let gateway = FakeGateway::builder().start().await;
    let mut connected = connected(&gateway.url()).await;
    let clone = connected.link.clone();
    drop(connected.link);
    clone.request("x", json!({})).await.expect("an answer");
    drop(clone);
    let closed = end(&mut connected.incoming).await;
    assert_eq!((closed.code, closed.cause), (Some(1000), CloseCause::ByUs));
}

#[tokio::test]
async fn dropping_what_comes_in_keeps_the_connection() {
    let gateway = FakeGateway::builder().start().await;
    let connected = connected(&gateway.url()).await;
    drop(connected.incoming);
    for _ in 0..2000 {
        gateway.push_event("operator", "tick", json!({}));
    }
    connected
        .link
        .request("x", json!({}))
        .await
        .expect("an answer");
}

#[tokio::test]
async fn a_legal_frame_of_20_mb_is_taken() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({"maxPayload": 26_214_400})).await;
        let request = peer.request().await.expect("a request");
        peer.answer(&request, json!("x".repeat(20_000_000))).await;
        let request = peer.request().await.expect("a request");
        peer.answer(&request, json!(1)).await;
        peer.request().await
    })
    .await;
    let mut dial = dial(&url);
    dial.limits.request = Duration::from_secs(30);
    let connected = connect(dial).await.expect("connects");
    let answer = connected.link.request("chat.history", json!({})).await;
    assert_eq!(answer.expect("an answer").get().len(), 20_000_002);
    connected
        .link
        .request("x", json!({}))
        .await
        .expect("an answer");
}

#[tokio::test]
async fn a_request_that_the_gateway_would_not_take_is_not_sent() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({"maxPayload": 65_536})).await;
        let request = peer.request().await.expect("a request");
        peer.answer(&request, json!({})).await;
        request
    })
    .await;
    let connected = connected(&url).await;
    let large = json!({"text": "x".repeat(70_000)});
    let error = connected.link.request("large", large).await.err();
    assert!(
        matches!(error, Some(RequestError::TooLarge { limit: 65_536, .. })),
        "{error:?}"
    );
    connected
        .link
        .request("small", json!({}))
        .await
        .expect("an answer");
    assert_eq!(served.next().await["method"], "small");
}

#[tokio::test]
async fn requests_time_out_when_the_gateway_reads_nothing() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        pending::<()>().await;
    })
    .await;
    let mut connected = connected(&url).await;
    let blob = "x".repeat(1_000_000);
    let requests: Vec<_> = (0..40)
        .map(|_| {
            let (link, params) = (connected.link.clone(), json!({ "blob": blob }));
            tokio::spawn(async move { link.request_within("x", params, SHORT).await })
        })
        .collect();
    for request in requests {
        let result = request.await.expect("no panic");
        assert!(matches!(result, Err(RequestError::TimedOut)), "{result:?}");
    }
    connected.link.close();
    let closed = end(&mut connected.incoming).await;
    assert_eq!(closed.cause, CloseCause::ByUs);
}

#[tokio::test]
async fn events_pass_while_a_request_waits() {
    let gateway = FakeGateway::builder()
        .on_request(|_, _| Answer::Silence)
        .start()
        .await;
    let mut connected = connected(&gateway.url()).await;
    let link = connected.link.clone();
    let waiting = tokio::spawn(async move { link.request("x", json!({})).await });
    gateway.wait_for_request("x", PATIENCE).await;
    gateway.push_event("operator", "tick", json!({"ts": 1}));
    let Incident::Event(event) = crate::common::next(&mut connected.incoming).await else {
        panic!("no event")
    };
    assert_eq!(
        (event.name.as_str(), event.payload.get()),
        ("tick", r#"{"ts":1}"#)
    );
    waiting.abort();
}
