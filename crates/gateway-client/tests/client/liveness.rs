//! A gateway that goes silent is noticed; one that answers pings is left alone.

use crate::common::{PATIENCE, Peer, connected, dial, serve};
use futures_util::StreamExt;
use gateway_client::{CloseCause, Closed, Connected, Incident, RequestError, connect};
use serde_json::json;
use std::time::Duration;
use test_support::FakeGateway;
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn an_idle_silent_gateway_is_noticed_within_fifteen_seconds() {
    let (_gateway, mut connected) = silent().await;
    let (closed, after) = noticed(&mut connected).await;
    assert_eq!(
        (closed.code, closed.cause),
        (Some(4000), CloseCause::Silent)
    );
    assert!(
        after > Duration::from_secs(9) && after <= Duration::from_millis(15_100),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_silent_gateway_that_owes_an_answer_is_noticed_within_five_seconds() {
    let (_gateway, mut connected) = silent().await;
    let link = connected.link.clone();
    let request = tokio::spawn(async move {
        let deadline = Duration::from_secs(60);
        link.request_within("x", json!({}), deadline).await
    });
    let (closed, after) = noticed(&mut connected).await;
    assert_eq!(closed.cause, CloseCause::Silent);
    assert!(after <= Duration::from_millis(5_100), "{after:?}");
    let result = request.await.expect("no panic");
    assert!(matches!(result, Err(RequestError::Closed)), "{result:?}");
}

#[tokio::test]
async fn a_check_on_demand_takes_two_seconds() {
    let (_gateway, mut connected) = silent().await;
    connected.link.check_now();
    let (closed, after) = noticed(&mut connected).await;
    assert_eq!(closed.cause, CloseCause::Silent);
    assert!(
        after > Duration::from_secs(1) && after <= Duration::from_millis(2_100),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_answers_pings_is_left_alone() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        let mut pings = 0;
        while pings < 5 {
            match peer.socket.next().await {
                Some(Ok(Message::Ping(_))) => pings += 1,
                other => panic!("{other:?} after {pings} pings"),
            }
        }
        // the pong to the last one leaves with the next read
        peer.request().await
    })
    .await;
    let mut dial = dial(&url);
    dial.limits.quiet = Duration::from_millis(50);
    dial.limits.pong = Duration::from_millis(500);
    let mut connected = connect(dial).await.expect("connects");
    let incident = tokio::time::timeout(Duration::from_secs(1), connected.incoming.next()).await;
    assert!(incident.is_err(), "{incident:?}");
    connected.link.close();
    served.next().await;
}

#[tokio::test]
async fn a_check_on_demand_of_a_living_gateway_changes_nothing() {
    let gateway = FakeGateway::builder().start().await;
    let connected = connected(&gateway.url()).await;
    connected.link.check_now();
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    connected
        .link
        .request("x", json!({}))
        .await
        .expect("an answer");
}

#[tokio::test]
async fn pings_of_the_gateway_are_answered() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        for _ in 0..1000 {
            peer.message(Message::Ping("beat".into())).await;
        }
        match peer.socket.next().await {
            Some(Ok(Message::Pong(payload))) => payload == "beat",
            other => panic!("{other:?}"),
        }
    })
    .await;
    let _connected = connected(&url).await;
    assert!(served.next().await);
}

/// Connected to a gateway that neither reads nor writes any more, with time ready to jump.
async fn silent() -> (FakeGateway, Connected) {
    let gateway = FakeGateway::builder().start().await;
    let connected = connected(&gateway.url()).await;
    gateway.wait_for_connected("operator", 1, PATIENCE).await;
    gateway.go_silent();
    // the order to fall silent is on its way to another thread
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::pause();
    (gateway, connected)
}

async fn noticed(connected: &mut Connected) -> (Closed, Duration) {
    let started = Instant::now();
    match connected.incoming.next().await {
        Some(Incident::Closed(closed)) => (closed, started.elapsed()),
        other => panic!("{other:?}"),
    }
}
