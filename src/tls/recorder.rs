//! What rustls asks of a client while it shakes hands, answered so that it goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::chain::name_in;
use super::report::ClientCertificate;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The certificates, as they were sent.
    pub(super) chain: Vec<Vec<u8>>,
    /// Whether the server proved that it has the key of its certificate; `None` until it tried.
    pub(super) is_proved: Option<bool>,
    /// Whether it asked for a certificate of the client.
    pub(super) client_certificate: Option<ClientCertificate>,
}

/// Records, and accepts: a certificate is judged when the handshake is over.
#[derive(Debug)]
pub(super) struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

impl Recorder {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Recorder {
        Recorder {
            provider,
            seen: Mutex::default(),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A signature that cannot be checked is recorded; the connection carries nothing that is secret.
    fn proved(&self, result: Result<HandshakeSignatureValid, Error>) -> HandshakeSignatureValid {
        self.seen().is_proved = Some(result.is_ok());
        result.unwrap_or_else(|_| HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        self.seen().chain = all.map(|der| der.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.proved(verify_tls12_signature(
            message,
            certificate,
            signature,
            algorithms,
        )))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.proved(verify_tls13_signature(
            message,
            certificate,
            signature,
            algorithms,
        )))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(&self, issuers: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let names = issuers.iter().filter_map(|der| name_in(der));
        self.seen().client_certificate = Some(ClientCertificate {
            is_required: false,
            issuers: names.take(ClientCertificate::MOST).collect(),
        });
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
