//! Encrypted connections: the pin, and nothing that merely looks right.

use crate::common::{Peer, dial, serve_tcp};
use gateway_client::{CertificateProblem, ConnectError, connect};
use gateway_protocol::Fingerprint;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

#[tokio::test]
async fn the_pinned_certificate_is_enough() {
    let gateway = TlsGateway::new("another.example").await;
    let mut dial = dial(&gateway.url);
    dial.pin = Some(gateway.fingerprint.clone());
    let connected = connect(dial).await.expect("connects");
    let answer = connected.link.request("x", json!({})).await;
    assert_eq!(answer.expect("an answer").get(), "1");
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused() {
    let mut gateway = TlsGateway::new("127.0.0.1").await;
    let pin = Fingerprint::new([7; 32]);
    let mut dial = dial(&gateway.url);
    dial.pin = Some(pin.clone());
    let Err(ConnectError::PinMismatch { expected, found }) = connect(dial).await else {
        panic!("no mismatch")
    };
    assert_eq!((expected, &found), (pin, &gateway.fingerprint));
    assert!(!gateway.served.next().await, "something was sent");
}

#[tokio::test]
async fn a_self_signed_certificate_without_pin_is_refused() {
    let mut gateway = TlsGateway::new("127.0.0.1").await;
    let error = connect(dial(&gateway.url)).await.err();
    assert!(
        matches!(
            error,
            Some(ConnectError::Certificate(
                CertificateProblem::UnknownIssuer | CertificateProblem::Other
            ))
        ),
        "{error:?}"
    );
    assert!(!gateway.served.next().await, "something was sent");
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let (address, _served) = serve_tcp(|mut tcp| async move {
        use tokio::io::AsyncWriteExt;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("writes");
        let mut rest = vec![];
        // until the client leaves
        let _ = tcp.read_to_end(&mut rest).await;
    })
    .await;
    let mut dial = dial(&format!("wss://{address}"));
    dial.pin = Some(Fingerprint::new([7; 32]));
    let error = connect(dial).await.err();
    assert!(matches!(error, Some(ConnectError::Tls(_))), "{error:?}");
}

#[tokio::test]
async fn a_server_that_leaves_within_the_handshake_is_told_apart() {
    let (address, _served) = serve_tcp(|mut tcp| async move {
        let mut hello = [0; 64];
        tcp.read_exact(&mut hello).await.expect("a client hello");
    })
    .await;
    let mut dial = dial(&format!("wss://{address}"));
    dial.pin = Some(Fingerprint::new([7; 32]));
    let error = connect(dial).await.err();
    assert!(
        matches!(error, Some(ConnectError::ClosedEarly { code: None, .. })),
        "{error:?}"
    );
}

/// A gateway with a self-signed certificate. Its connections tell whether the TLS handshake succeeded.
struct TlsGateway {
    url: String,
    fingerprint: Fingerprint,
    served: crate::common::Served<bool>,
}

impl TlsGateway {
    async fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let leaf = CertificateDer::from(made.cert);
        let fingerprint = Fingerprint::new(Sha256::digest(&leaf).into());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (address, served) = serve_tcp(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return false;
                };
                let mut peer = Peer::accept(tls).await;
                peer.greet(json!({})).await;
                while let Some(request) = peer.request().await {
                    peer.answer(&request, json!(1)).await;
                }
                true
            }
        })
        .await;
        Self {
            url: format!("wss://{address}"),
            fingerprint,
            served,
        }
    }
}
