//! The packaged build's client: BoringSSL with the hello of a browser, and rustls's own judgement of the certificates it is shown.

use super::profile::Profile;
use super::{HelloKind, OFFERED, Opened, Wanted, anchors};
use crate::net::veil::{Io, locked};
use btls::ssl::{
    ErrorCode, ExtensionType, Ssl, SslAlert, SslContext, SslMethod, SslRef, SslSignatureAlgorithm,
    SslVerifyError, SslVerifyMode, SslVersion,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use tokio_btls::SslStream;

/// Label of RFC 9266.
const BINDING_LABEL: &str = "EXPORTER-Channel-Binding";
/// Signatures by SHA-1: a browser still names them, nobody here accepts them.
const SHA1: [u16; 2] = [0x0201, 0x0203];

/// Opens TLS over `under`.
///
/// # Errors
/// What broke the connection, or, within it, the reason to refuse the other side in rustls's words.
pub(in crate::net::web) async fn connect(wanted: Wanted, under: impl Io + 'static) -> io::Result<Opened> {
    let refusal = Arc::new(Mutex::new(None));
    let ssl = dressed(&wanted, &refusal)?;
    let mut stream = Box::new(SslStream::new(ssl, under).map_err(io::Error::other)?);
    if let Err(error) = Pin::new(&mut *stream).connect().await {
        let refused = locked(&refusal).take();
        return Err(match (refused, error.code()) {
            (Some(refused), _) => invalid(refused),
            (None, ErrorCode::SSL) => invalid(Error::General(error.to_string())),
            (None, _) => error.into_io_error().unwrap_or_else(|_| io::ErrorKind::UnexpectedEof.into()),
        });
    }
    let ssl = stream.ssl();
    accept(ssl).map_err(invalid)?;
    let alpn = ssl.selected_alpn_protocol().map(<[u8]>::to_vec);
    let binding = binding(ssl);
    Ok(Opened { stream, alpn, binding })
}

/// Whether the library was built with the patch of `packaging/boringssl`: without it, it refuses schemes that Chrome names.
pub(super) fn knows_chrome() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    *KNOWS.get_or_init(|| {
        let schemes = Profile::of(HelloKind::Chrome).map(|profile| schemes(profile, 0)).unwrap_or_default();
        let context = SslContext::builder(SslMethod::tls());
        context.is_ok_and(|mut context| context.set_verify_algorithm_prefs(&schemes).is_ok())
    })
}

/// The signature schemes, with a value that means nothing where the browser has one.
fn schemes(profile: &Profile, chance: u8) -> Vec<SslSignatureAlgorithm> {
    let random = profile.grease.then(|| u16::from_be_bytes([chance & 0xf0 | 0x0a; 2]));
    random.into_iter().chain(profile.schemes.iter().copied()).map(Into::into).collect()
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A connection that will say what the browser says. Its context is its own: there is nothing from which it could be resumed.
fn dressed(wanted: &Wanted, refusal: &Arc<Mutex<Option<Error>>>) -> io::Result<Ssl> {
    let profile = Profile::of(wanted.kind).ok_or_else(|| io::Error::other("this hello is no browser's"))?;
    let [grease, cipher] = wanted.chance;
    let mut context = SslContext::builder(SslMethod::tls())?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_preserve_tls13_cipher_list(profile.keeps_order);
    context.set_cipher_list(profile.ciphers)?;
    context.set_curves_list(profile.groups)?;
    context.set_grease_enabled(profile.grease);
    context.set_permute_extensions(profile.grease);
    context.set_verify_algorithm_prefs(&schemes(profile, grease))?;
    if let Some(order) = profile.order {
        let order: Vec<_> = order.iter().copied().map(ExtensionType::from).collect();
        context.set_extension_permutation(&order)?;
    }
    if let Some(delegated) = profile.delegated {
        context.set_delegated_credentials(delegated)?;
    }
    if let Some(limit) = profile.record_limit {
        context.set_record_size_limit(limit);
    }
    if let Some(ids) = profile.anchors
        && !anchors::request(&mut context, ids)
    {
        return Err(io::Error::other("no memory for trust anchors"));
    }
    for packing in profile.packings {
        packing.offer(&mut context)?;
    }
    context.enable_ocsp_stapling();
    context.enable_signed_cert_timestamps();
    let offered: Vec<u8> = OFFERED.iter().flat_map(|name| [&[name.len() as u8], *name].concat()).collect();
    context.set_alpn_protos(&offered)?;
    let (verifier, name, refusal) = (wanted.verifier.clone(), wanted.name.clone(), refusal.clone());
    context.set_custom_verify_callback(SslVerifyMode::PEER, move |ssl| {
        // C calls this, where a panic would end the process.
        let judged = catch_unwind(AssertUnwindSafe(|| judge(ssl, &*verifier, &name)));
        let judged =
            judged.unwrap_or_else(|_| Err(Error::General("certificates could not be read".to_owned())));
        judged.map_err(|error| {
            let alert = alert(&error);
            *locked(&refusal) = Some(error);
            SslVerifyError::Invalid(alert)
        })
    });
    let mut ssl = Ssl::new(&context.build())?;
    if let ServerName::DnsName(name) = &wanted.name {
        ssl.set_hostname(name.as_ref().trim_end_matches('.'))?;
    }
    ssl.set_client_key_shares(profile.shares)?;
    ssl.set_enable_ech_grease(true);
    if let Some(settings) = profile.settings {
        ssl.add_application_settings(settings)?;
        ssl.set_alps_use_new_codepoint(true);
    }
    if profile.turns {
        ssl.set_aes_hw_override(cipher & 1 == 0);
    }
    Ok(ssl)
}

/// Whether `verifier`, the same that the default build asks, believes the certificates shown.
fn judge(ssl: &SslRef, verifier: &dyn ServerCertVerifier, name: &ServerName<'_>) -> Result<(), Error> {
    let damaged = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let shown = ssl.peer_cert_chain().ok_or(Error::NoCertificatesPresented)?;
    let shown: Result<Vec<_>, _> = shown.iter().map(|one| one.to_der().map(CertificateDer::from)).collect();
    let shown = shown.map_err(damaged)?;
    let (own, chain) = shown.split_first().ok_or(Error::NoCertificatesPresented)?;
    let ocsp = ssl.ocsp_status().unwrap_or_default();
    verifier.verify_server_cert(own, chain, name, ocsp, UnixTime::now()).map(drop)
}

/// What a browser tells the other side of its reason.
fn alert(error: &Error) -> SslAlert {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => SslAlert::CERTIFICATE_EXPIRED,
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => SslAlert::UNKNOWN_CA,
        Error::InvalidCertificate(CertificateError::Revoked) => SslAlert::CERTIFICATE_REVOKED,
        Error::InvalidCertificate(CertificateError::BadEncoding) => SslAlert::BAD_CERTIFICATE,
        _ => SslAlert::CERTIFICATE_UNKNOWN,
    }
}

/// A browser's hello names more than the default build would take: what rustls refuses is refused here after the fact.
fn accept(ssl: &SslRef) -> Result<(), Error> {
    if SHA1.contains(&anchors::signed_by(ssl)) {
        return Err(Error::General("signed by SHA-1".to_owned()));
    }
    let suite = ssl.current_cipher().map(|cipher| cipher.name()).unwrap_or_default();
    let modern = suite.starts_with("ECDHE-") && (suite.contains("GCM") || suite.contains("CHACHA20"));
    if ssl.version2() == Some(SslVersion::TLS1_3) || modern {
        Ok(())
    } else {
        Err(Error::General(format!("the site chose {suite}")))
    }
}

fn binding(ssl: &SslRef) -> Option<[u8; 32]> {
    if ssl.version2() != Some(SslVersion::TLS1_3) {
        return None;
    }
    let mut out = [0; 32];
    ssl.export_keying_material(&mut out, BINDING_LABEL, None).ok()?;
    Some(out)
}
