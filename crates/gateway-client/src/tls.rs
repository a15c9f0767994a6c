//! TLS by rustls: the computer's own verifier, or the pinned certificate and nothing else.

use crate::error::{CertificateProblem, ConnectError};
use gateway_protocol::Fingerprint;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::{Digest, Sha256};
use std::{
    io,
    sync::{Arc, OnceLock},
};
use subtle::ConstantTimeEq;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How many servers the computer-wide configuration keeps resumption data of.
const RESUMABLE_SERVERS: usize = 8;

/// Speaks TLS over `tcp`. With a pin, the pin is the whole check of the certificate: neither name nor issuer matter.
pub(crate) async fn secure(
    tcp: TcpStream,
    host: &str,
    pin: Option<&Fingerprint>,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let config = match pin {
        Some(pin) => pinned_config(pin.clone())?,
        None => platform_config().await?,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|error| explained(error, pin))
}

fn pinned_config(pin: Fingerprint) -> Result<Arc<ClientConfig>, ConnectError> {
    let provider = provider();
    let verifier = PinnedLeaf {
        pin,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ConnectError::TlsSetup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Loading the computer's certificates costs milliseconds, so it is done once, when first needed.
async fn platform_config() -> Result<Arc<ClientConfig>, ConnectError> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let loaded = tokio::task::spawn_blocking(|| {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(RESUMABLE_SERVERS);
        Ok(Arc::new(config))
    })
    .await
    .unwrap_or_else(|error| Err(rustls::Error::Other(OtherError(Arc::new(error)))))
    .map_err(ConnectError::TlsSetup)?;
    Ok(Arc::clone(CONFIG.get_or_init(|| loaded)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Accepts exactly one leaf certificate.
#[derive(Debug)]
struct PinnedLeaf {
    pin: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug, thiserror::Error)]
#[error("the certificate is not the pinned one")]
struct OtherLeaf {
    found: Fingerprint,
}

impl ServerCertVerifier for PinnedLeaf {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Fingerprint::new(Sha256::digest(leaf).into());
        if found.digest().ct_eq(self.pin.digest()).into() {
            Ok(ServerCertVerified::assertion())
        } else {
            let other = OtherError(Arc::new(OtherLeaf { found }));
            Err(CertificateError::Other(other).into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn explained(error: io::Error, pin: Option<&Fingerprint>) -> ConnectError {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(problem)) = cause {
        if let CertificateError::Other(OtherError(other)) = problem
            && let Some(OtherLeaf { found }) = other.downcast_ref()
            && let Some(pin) = pin
        {
            return ConnectError::PinMismatch {
                expected: pin.clone(),
                found: found.clone(),
            };
        }
        return ConnectError::Certificate(certificate_problem(problem));
    }
    if cause.is_none() && crate::handshake::is_lost(&error) {
        return ConnectError::ClosedEarly {
            code: None,
            reason: String::new(),
        };
    }
    ConnectError::Tls(error)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is open, and what is not named here has one answer"
)]
fn certificate_problem(error: &CertificateError) -> CertificateProblem {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => CertificateProblem::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => CertificateProblem::NotYetValid,
        E::NotValidForName | E::NotValidForNameContext { .. } => CertificateProblem::WrongName,
        E::UnknownIssuer => CertificateProblem::UnknownIssuer,
        E::Revoked => CertificateProblem::Revoked,
        _ => CertificateProblem::Other,
    }
}
