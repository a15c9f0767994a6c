//! Events, and frames that break the protocol.

use crate::common::{Peer, connected, dial, end, next, serve};
use gateway_client::{CloseCause, Closed, Incident, RequestError, connect};
use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

#[tokio::test]
async fn a_gap_is_told_and_repeats_are_dropped() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        for seq in [3, 4, 4, 2, 7, 8] {
            peer.send(numbered(seq)).await;
        }
        peer.send(json!({"type": "event", "event": "node.invoke.request", "payload": {}}))
            .await;
        peer.request().await
    })
    .await;
    let mut connected = connected(&url).await;
    let mut seen = vec![];
    while seen.len() < 6 {
        seen.push(match next(&mut connected.incoming).await {
            Incident::Event(event) => format!("{:?}", event.seq),
            Incident::Gap { expected, got } => format!("gap {expected} {got}"),
            Incident::Closed(_) => panic!("closed after {seen:?}"),
        });
    }
    assert_eq!(
        seen,
        [
            "Some(3)", "Some(4)", "gap 5 7", "Some(7)", "Some(8)", "None"
        ]
    );
}

#[tokio::test]
async fn events_right_behind_the_hello_are_not_lost() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        use futures_util::SinkExt;
        peer.challenge(json!({"nonce": crate::common::fresh_nonce(), "ts": 1}))
            .await;
        let connect = peer.request().await.expect("a connect");
        let hello =
            json!({"type": "res", "id": connect["id"], "ok": true, "payload": {"protocol": 4}});
        // one write for all of them
        for frame in [hello, numbered(1), numbered(2)] {
            peer.socket
                .feed(Message::text(frame.to_string()))
                .await
                .expect("feeds");
        }
        peer.socket.flush().await.expect("flushes");
        peer.request().await
    })
    .await;
    let mut connected = connected(&url).await;
    for expected in [1, 2] {
        let Incident::Event(event) = next(&mut connected.incoming).await else {
            panic!("no event")
        };
        assert_eq!(event.seq, Some(expected));
    }
}

#[tokio::test]
async fn a_slow_taker_gets_everything_in_order() {
    const EVENTS: u64 = 5000;
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        for seq in 1..=EVENTS {
            peer.send(numbered(seq)).await;
        }
        peer.request().await
    })
    .await;
    let mut dial = dial(&url);
    dial.limits.events = 16;
    let mut connected = connect(dial).await.expect("connects");
    for expected in 1..=EVENTS {
        if expected.is_multiple_of(1000) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let Incident::Event(event) = next(&mut connected.incoming).await else {
            panic!("no event {expected}")
        };
        assert_eq!(event.seq, Some(expected));
    }
}

#[tokio::test]
async fn a_taker_that_never_takes_ends_the_connection() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        for seq in 1..=64 {
            peer.send(numbered(seq)).await;
        }
        pending::<()>().await;
    })
    .await;
    let mut dial = dial(&url);
    dial.limits.events = 16;
    let mut connected = connect(dial).await.expect("connects");
    // lets the queue fill up before time begins to jump
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::time::pause();
    let answer = connected
        .link
        .request_within("x", json!({}), Duration::from_secs(1))
        .await;
    assert!(matches!(answer, Err(RequestError::TimedOut)), "{answer:?}");
    tokio::time::sleep(Duration::from_secs(25)).await;
    let mut taken = 0;
    let closed = loop {
        match connected.incoming.next().await {
            Some(Incident::Closed(closed)) => break closed,
            Some(_) => taken += 1,
            None => panic!("no end"),
        }
    };
    assert_eq!(closed.cause, CloseCause::SlowConsumer);
    assert_eq!(taken, 16);
    assert!(closed.after < Duration::from_secs(25), "{:?}", closed.after);
}

#[tokio::test]
async fn two_malformed_frames_are_dropped_and_the_third_ends_it() {
    let (url, mut served) = serve(|mut peer: Peer<TcpStream>| async move {
        peer.greet(json!({})).await;
        peer.text("{").await;
        peer.text(r#"{"type":"res","ok":true}"#).await;
        peer.send(json!({"type": "a future kind"})).await;
        peer.send(numbered(1)).await;
        peer.text("}").await;
        peer.close_code().await
    })
    .await;
    let mut connected = connected(&url).await;
    assert!(matches!(
        next(&mut connected.incoming).await,
        Incident::Event(_)
    ));
    let closed = end(&mut connected.incoming).await;
    assert_eq!(
        (closed.code, closed.cause),
        (Some(1007), CloseCause::ProtocolError)
    );
    assert_eq!(served.next().await, Some(1007));
}

#[tokio::test]
async fn a_binary_frame_ends_it() {
    let message = Message::binary(numbered(1).to_string().into_bytes());
    assert_ended_by(message, 1003).await;
}

#[tokio::test]
async fn a_frame_beyond_the_policy_ends_it() {
    let message = Message::text(format!("\"{}\"", "x".repeat(300 * 1024)));
    assert_ended_by(message, 1009).await;
}

#[tokio::test]
async fn a_second_challenge_ends_it() {
    let frame =
        json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n", "ts": 1}});
    assert_ended_by(Message::text(frame.to_string()), 1002).await;
}

#[tokio::test]
async fn a_compressed_frame_that_nobody_asked_for_ends_it() {
    let mut frame = Frame::message("bomb", OpCode::Data(Data::Text), true);
    frame.header_mut().rsv1 = true;
    assert_ended_by(Message::Frame(frame), 1002).await;
}

#[tokio::test]
async fn text_that_is_not_utf8_ends_it() {
    let frame = Frame::message(vec![0xff_u8, 0xfe], OpCode::Data(Data::Text), true);
    assert_ended_by(Message::Frame(frame), 1007).await;
}

#[tokio::test]
async fn a_peers_reason_is_cleaned() {
    let (url, _served) = serve(|mut peer: Peer<TcpStream>| async move {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        peer.greet(json!({})).await;
        peer.message(Message::Close(Some(CloseFrame {
            code: 4001.into(),
            reason: "device\u{1b}[2J removed\n".into(),
        })))
        .await;
        peer.request().await
    })
    .await;
    let mut connected = connected(&url).await;
    let closed = end(&mut connected.incoming).await;
    assert_eq!(
        (closed.code, closed.reason.as_str(), closed.cause),
        (Some(4001), "device[2J removed", CloseCause::ByPeer)
    );
}

async fn assert_ended_by(message: Message, code: u16) {
    let (url, mut served) = serve(move |mut peer: Peer<TcpStream>| {
        let message = message.clone();
        async move {
            peer.greet(json!({"maxPayload": 65_536})).await;
            peer.message(message).await;
            peer.close_code().await
        }
    })
    .await;
    let mut connected = connected(&url).await;
    let closed: Closed = end(&mut connected.incoming).await;
    assert_eq!(
        (closed.code, closed.cause),
        (Some(code), CloseCause::ProtocolError)
    );
    assert_eq!(served.next().await, Some(code));
}

fn numbered(seq: u64) -> Value {
    json!({"type": "event", "event": "tick", "payload": {"ts": 1}, "seq": seq})
}
