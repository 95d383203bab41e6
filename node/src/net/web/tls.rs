//! TLS of web doors: the site's configuration, whom a visitor believes, and what both bind a door's path to.

use super::certificate::WebIdentity;
use karvon_protocol::netcheck::Outcome;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::sync::{Arc, OnceLock};

/// Label of RFC 9266.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Whom clients believe, made when it is first needed. Each build's client asks the same two.
#[derive(Default)]
pub(super) struct Trust {
    named: OnceLock<Option<Arc<dyn ServerCertVerifier>>>,
}

impl Trust {
    /// For a door with a name: its certificate must be vouched for by a public authority or one of `roots` (DER).
    pub(super) fn named(&self, roots: &[Vec<u8>]) -> Option<Arc<dyn ServerCertVerifier>> {
        let make = || {
            let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            store.add_parsable_certificates(roots.iter().map(|der| CertificateDer::from(der.clone())));
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build().ok()?;
            Some(verifier as Arc<dyn ServerCertVerifier>)
        };
        self.named.get_or_init(make).clone()
    }

    /// For a door without one: any certificate will do, because the door's path is bound to the connection instead.
    pub(super) fn nameless(&self) -> Arc<dyn ServerCertVerifier> {
        Arc::new(AnyCertificate(provider().signature_verification_algorithms))
    }
}

/// The configuration of a site.
///
/// # Errors
/// A certificate and key that do not belong together.
pub(super) fn server(identity: &WebIdentity) -> Result<Arc<ServerConfig>, Error> {
    let (chain, key) = identity.parts().ok_or_else(|| Error::General("not a private key".to_owned()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What both ends of this connection know and nobody in between does; `None` before TLS 1.3, where it would not be unique.
pub(super) fn binding<Data>(connection: &rustls::ConnectionCommon<Data>) -> Option<[u8; 32]> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    connection.export_keying_material([0; 32], BINDING_LABEL, None).ok()
}

/// What a failed handshake tells of who answered; `None` if nobody did or the connection broke.
pub(super) fn fault(error: &std::io::Error) -> Option<Outcome> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match inner {
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Outcome::CertificateDate,
        _ => Outcome::Foreign,
    })
}

/// Accepts any certificate, but only from whoever has its key.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
