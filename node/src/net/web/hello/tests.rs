//! What the dialling side really sends and whom it really believes: the other end of each connection is read or is a real site.

use super::super::certificate::WebIdentity;
use super::super::tls::{self, Trust};
use super::*;
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::netcheck::Outcome;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

#[cfg(not(feature = "browser-hello"))]
const KINDS: [HelloKind; 1] = [HelloKind::Rustls];
#[cfg(feature = "browser-hello")]
const KINDS: [HelloKind; 2] = [HelloKind::Chrome, HelloKind::Firefox];

fn slot(number: u8) -> SlotKey {
    SlotKey { slot: SlotId([number; 8]), key: Zeroizing::new([number; 32]) }
}

fn wanted(kind: HelloKind, verifier: Arc<dyn ServerCertVerifier>, name: &str) -> Wanted {
    let mut chance = [0; 2];
    getrandom::fill(&mut chance).expect("the system has entropy");
    Wanted { verifier, name: ServerName::try_from(name.to_owned()).expect("a name"), kind, chance }
}

/// Dials a site with this configuration as `kind`; the visitor's end, and what the site binds to.
async fn visit(
    kind: HelloKind,
    verifier: Arc<dyn ServerCertVerifier>,
    name: &str,
    config: Arc<ServerConfig>,
) -> (io::Result<Opened>, Option<[u8; 32]>) {
    let (near, far) = duplex(64 << 10);
    let site = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(config).accept(far).await.ok()?;
        let binding = tls::binding(stream.get_ref().1);
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.ok()?;
        assert_eq!(&request, b"ping");
        stream.write_all(b"pong").await.ok()?;
        stream.flush().await.ok()?;
        binding
    });
    let mut opened = connect(wanted(kind, verifier, name), near).await;
    if let Ok(opened) = &mut opened {
        opened.stream.write_all(b"ping").await.expect("the site reads");
        opened.stream.flush().await.expect("the site reads");
        let mut answer = [0; 4];
        opened.stream.read_exact(&mut answer).await.expect("the site answers");
        assert_eq!(&answer, b"pong");
    }
    // A refused site waits for a request that does not come.
    let binding = if opened.is_ok() { site.await.expect("the site does not panic") } else { None };
    (opened, binding)
}

/// The first flight of a dial as `kind`.
async fn first_flight(kind: HelloKind, name: &str) -> Vec<u8> {
    let (near, mut far) = duplex(64 << 10);
    let dial = tokio::spawn(connect(wanted(kind, Trust::default().nameless(), name), near));
    let mut head = [0; 5];
    far.read_exact(&mut head).await.expect("a record");
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    far.read_exact(&mut body).await.expect("a whole record");
    drop(far);
    let ended = dial.await.expect("the dial does not panic");
    let error = ended.err().expect("nobody answers");
    assert_eq!(tls::fault(&error), None, "whoever hangs up says nothing of who it is: {error}");
    assert_eq!(head[0], 22, "a handshake");
    body
}

fn authority() -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pair = KeyPair::generate().expect("a key");
    (params.self_signed(&pair).expect("a certificate"), pair)
}

/// A site called `door.example` whose certificate `authority` signed, valid in these years.
fn site_of((issuer, issuer_key): &(rcgen::Certificate, KeyPair), years: (i32, i32)) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(vec!["door.example".to_owned()]).expect("a name");
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(years.0, 1, 1), rcgen::date_time_ymd(years.1, 1, 1));
    let pair = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&pair, issuer, issuer_key).expect("a certificate");
    let length = (certificate.der().len() as u32).to_be_bytes();
    let identity = [&[1], &length[..], certificate.der(), &pair.serialize_der()].concat();
    tls::server(&WebIdentity::decode(&identity).expect("a chain and a key")).expect("they belong together")
}

fn fault_of(result: &io::Result<Opened>) -> Option<Outcome> {
    tls::fault(result.as_ref().err().expect("the site is refused"))
}

#[tokio::test]
async fn a_box_at_home_is_reached_and_both_ends_bind_to_the_same() {
    let identity = WebIdentity::self_signed(RelayId([1; 16]), 1_790_000_000).expect("a certificate");
    let config = tls::server(&identity).expect("a site");
    for kind in KINDS {
        let (opened, theirs) = visit(kind, Trust::default().nameless(), "fritz.box", config.clone()).await;
        let opened = opened.expect("any certificate will do");
        assert_eq!(opened.alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert!(theirs.is_some() && opened.binding == theirs, "{kind:?}");
        let (again, _) = visit(kind, Trust::default().nameless(), "fritz.box", config.clone()).await;
        assert_ne!(again.expect("again").binding, opened.binding, "another connection, another binding");
    }
}

#[tokio::test]
async fn a_site_with_a_name_must_prove_it() {
    let authority = authority();
    let roots = vec![authority.0.der().to_vec()];
    let good = site_of(&authority, (2020, 2090));
    for kind in KINDS {
        let trust = Trust::default();
        let named = || trust.named(&roots).expect("the roots are read");
        let (opened, theirs) = visit(kind, named(), "door.example", good.clone()).await;
        assert_eq!(opened.expect("its own name").binding, theirs);
        let (wrong, _) = visit(kind, named(), "other.example", good.clone()).await;
        assert_eq!(fault_of(&wrong), Some(Outcome::Foreign), "{kind:?}: another name");
        for years in [(2001, 2002), (2080, 2090)] {
            let (dated, _) = visit(kind, named(), "door.example", site_of(&authority, years)).await;
            assert_eq!(fault_of(&dated), Some(Outcome::CertificateDate), "{kind:?}: {years:?}");
        }
        let public = Trust::default().named(&[]).expect("the public roots");
        let (unknown, _) = visit(kind, public, "door.example", good.clone()).await;
        assert_eq!(fault_of(&unknown), Some(Outcome::Foreign), "{kind:?}: an unknown authority");
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_foreign() {
    for kind in KINDS {
        let (near, mut far): (DuplexStream, DuplexStream) = duplex(64 << 10);
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("room");
        let opened = connect(wanted(kind, Trust::default().nameless(), "fritz.box"), near).await;
        assert_eq!(fault_of(&opened), Some(Outcome::Foreign), "{kind:?}");
    }
}

/// A site whose key is another one than the certificate's can not be made with the libraries; one that speaks TLS 1.2 can.
#[tokio::test]
async fn before_tls_1_3_nothing_is_bound() {
    let identity = WebIdentity::self_signed(RelayId([1; 16]), 1_790_000_000).expect("a certificate");
    let (chain, key) = identity.parts().expect("a key");
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a site");
    for kind in KINDS {
        let (opened, _) =
            visit(kind, Trust::default().nameless(), "fritz.box", Arc::new(config.clone())).await;
        let opened = opened.expect("rustls chooses nothing that is refused");
        assert_eq!((opened.binding, opened.alpn), (None, None), "{kind:?}");
    }
}

#[test]
fn a_door_keeps_its_hello() {
    let kinds: Vec<_> = (0..=255).map(|number| HelloKind::of(&slot(number))).collect();
    assert_eq!(kinds, (0..=255).map(|number| HelloKind::of(&slot(number))).collect::<Vec<_>>());
    for kind in KINDS {
        let share = kinds.iter().filter(|one| **one == kind).count();
        assert!(share >= 256 / KINDS.len() * 3 / 4, "{kind:?} is the hello of {share} doors of 256");
    }
    assert_eq!(web_hello(), if KINDS.len() == 1 { "rustls" } else { "Chrome or Firefox" });
    // The slot's number is public; only the secret decides.
    let mut other = slot(7);
    other.slot = SlotId([9; 8]);
    assert_eq!(HelloKind::of(&other), HelloKind::of(&slot(7)));
}

/// What a censor reads of a hello.
struct Read {
    ciphers: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

fn pairs(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect()
}

fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl Read {
    fn new(handshake: &[u8]) -> Self {
        assert_eq!(handshake[0], 1, "a hello");
        let mut rest = &handshake[4 + 2 + 32..];
        let take = |rest: &mut &[u8], width: usize| {
            let length = rest[..width].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let (taken, after) = rest[width..].split_at(length);
            *rest = after;
            taken.to_vec()
        };
        assert_eq!(take(&mut rest, 1).len(), 32, "a session id, as middleboxes want it");
        let ciphers = pairs(&take(&mut rest, 2));
        assert_eq!(take(&mut rest, 1), [0]);
        let all = take(&mut rest, 2);
        assert!(rest.is_empty());
        let (mut rest, mut extensions) = (&all[..], Vec::new());
        while !rest.is_empty() {
            let kind = pairs(&rest[..2])[0];
            rest = &rest[2..];
            extensions.push((kind, take(&mut rest, 2)));
        }
        Self { ciphers, extensions }
    }

    fn order(&self) -> Vec<u16> {
        self.extensions.iter().map(|(kind, _)| *kind).collect()
    }

    fn extension(&self, kind: u16) -> &[u8] {
        &self.extensions.iter().find(|(one, _)| *one == kind).expect("the extension is there").1
    }

    /// A list of numbers after its length, without what means nothing.
    fn list(&self, kind: u16) -> Vec<u16> {
        pairs(&self.extension(kind)[2..]).into_iter().filter(|value| !is_grease(*value)).collect()
    }

    /// FoxIO's JA4 over TCP, as `wire_check.py` computes it.
    fn ja4(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let short = |text: &str| data_encoding::HEXLOWER.encode(&Sha256::digest(text))[..12].to_owned();
        let words =
            |values: &[u16]| values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",");
        let real =
            |values: Vec<u16>| values.into_iter().filter(|value| !is_grease(*value)).collect::<Vec<_>>();
        let (mut ciphers, mut kinds) = (real(self.ciphers.clone()), real(self.order()));
        let head = format!("t13d{:02}{:02}h2", ciphers.len(), kinds.len());
        assert!(kinds.contains(&0) && self.extension(16).starts_with(b"\0\x0c\x02h2"));
        assert!(pairs(&self.extension(43)[1..]).contains(&0x0304));
        ciphers.sort_unstable();
        kinds.retain(|kind| ![0, 16].contains(kind));
        kinds.sort_unstable();
        let tail = format!("{}_{}", words(&kinds), words(&self.list(13)));
        format!("{head}_{}_{}", short(&words(&ciphers)), short(&tail))
    }
}

#[cfg(not(feature = "browser-hello"))]
#[tokio::test]
async fn the_default_build_shows_what_the_readme_says() {
    let hello = first_flight(HelloKind::Rustls, "fritz.box").await;
    let ja4 = Read::new(&hello).ja4();
    assert_eq!(ja4, "t13d1010h2_61a7ad8aa9b6_6a7d638fc319", "README and censor.py name this value");
}

#[cfg(feature = "browser-hello")]
mod browsers {
    use super::*;
    use std::collections::BTreeSet;

    /// Of Chromium 156.0.8078 and Firefox ESR 153.7, captured on 2026-11-23.
    const REFERENCE: [(HelloKind, &str); 2] = [
        (HelloKind::Chrome, "t13d1517h2_8daaf6152771_cb7bf5808d99"),
        (HelloKind::Firefox, "t13d1617h2_86a278354501_3cbfd9057e0d"),
    ];

    #[tokio::test]
    async fn each_hello_has_the_fingerprint_of_its_browser() {
        for (kind, reference) in REFERENCE {
            for name in ["fritz.box", "a-door.example.org", "nas.local"] {
                let hello = first_flight(kind, name).await;
                assert_eq!(Read::new(&hello).ja4(), reference, "{kind:?}");
                // Browsers' hellos need two segments since they carry ML-KEM.
                assert!((1_600..2_200).contains(&hello.len()), "{} bytes", hello.len());
            }
        }
    }

    /// What JA4 does not count is as captured too: groups, keys sent along, packings, and all that has one value.
    #[tokio::test]
    async fn what_the_fingerprint_leaves_out_is_the_browsers_as_well() {
        let chrome = Read::new(&first_flight(HelloKind::Chrome, "fritz.box").await);
        assert_eq!(chrome.list(10), [0x11ec, 0x001d, 0x0017, 0x0018]);
        let shares = chrome.extension(51);
        assert_eq!(shares.len(), 1_263, "a meaningless key, ML-KEM with X25519, X25519");
        assert_eq!(
            (chrome.extension(27), chrome.extension(17_613)),
            (&b"\x02\0\x02"[..], &b"\0\x03\x02h2"[..])
        );
        assert_eq!(chrome.extension(51_764)[..4], [0x00, 0xb8, 0x05, 0x82]);
        let schemes = pairs(&chrome.extension(13)[2..]);
        assert!(is_grease(schemes[0]) && is_grease(chrome.ciphers[0]) && is_grease(chrome.order()[0]));
        assert!(is_grease(chrome.order()[18]), "the last one means nothing either");

        let firefox = Read::new(&first_flight(HelloKind::Firefox, "fritz.box").await);
        assert_eq!(
            firefox.order(),
            [0, 23, 65_281, 10, 11, 35, 16, 5, 34, 18, 51, 43, 13, 45, 28, 27, 65_037]
        );
        assert_eq!(
            firefox.ciphers,
            [
                0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc013,
                0xc014, 0x009c, 0x009d, 0x002f, 0x0035
            ]
        );
        assert_eq!(firefox.list(10), [0x11ec, 0x001d, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101]);
        assert_eq!(firefox.extension(51).len(), 1_327, "ML-KEM with X25519, X25519, P-256");
        assert_eq!(firefox.extension(28), b"\x40\x01");
        assert_eq!(firefox.extension(34), b"\0\x08\x04\x03\x05\x03\x06\x03\x02\x03");
        assert_eq!(firefox.extension(27), b"\x06\0\x01\0\x02\0\x03");
        assert_eq!(firefox.extension(65_037)[40..42], [0, 239], "the size of Firefox's placeholder for ECH");
    }

    #[tokio::test]
    async fn what_a_browser_draws_anew_is_drawn_anew() {
        let (mut orders, mut grease, mut chosen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for _ in 0..24 {
            let chrome = Read::new(&first_flight(HelloKind::Chrome, "fritz.box").await);
            orders.insert(chrome.order().into_iter().filter(|kind| !is_grease(*kind)).collect::<Vec<_>>());
            grease.insert(pairs(&chrome.extension(13)[2..4])[0]);
            let firefox = Read::new(&first_flight(HelloKind::Firefox, "fritz.box").await);
            // The cipher that the placeholder for ECH pretends to: Firefox takes both by turns.
            chosen.insert(pairs(&firefox.extension(65_037)[1..5])[1]);
        }
        assert!(orders.len() > 20, "{} orders of extensions in 24 hellos", orders.len());
        assert!(grease.len() > 4, "{} meaningless schemes in 24 hellos", grease.len());
        assert_eq!(chosen, BTreeSet::from([1, 3]));
    }

    #[tokio::test]
    async fn nothing_is_resumed() {
        let identity = WebIdentity::self_signed(RelayId([1; 16]), 1_790_000_000).expect("a certificate");
        let config = tls::server(&identity).expect("a site that hands out tickets");
        for (kind, reference) in REFERENCE {
            let trust = Trust::default();
            for _ in 0..2 {
                let (opened, _) = visit(kind, trust.nameless(), "fritz.box", config.clone()).await;
                opened.expect("reached");
                let next = Read::new(&first_flight(kind, "fritz.box").await);
                assert_eq!(next.ja4(), reference, "no ticket is shown");
            }
        }
    }

    /// A site by the same library, which can be told to choose what rustls never would.
    async fn refused_after_all(prepare: impl FnOnce(&mut btls::ssl::SslContextBuilder)) {
        use btls::ssl::{Ssl, SslContext, SslMethod, SslVersion};
        let pair = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["fritz.box".to_owned()]).expect("a name");
        let certificate = params.self_signed(&pair).expect("a certificate");
        let mut context = SslContext::builder(SslMethod::tls()).expect("a context");
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).expect("a version");
        let der = btls::x509::X509::from_der(certificate.der()).expect("DER");
        context.set_certificate(&der).expect("a certificate");
        let key = btls::pkey::PKey::private_key_from_pkcs8(&pair.serialize_der()).expect("DER");
        context.set_private_key(&key).expect("a key");
        prepare(&mut context);
        let ssl = Ssl::new(&context.build()).expect("a connection");
        let (near, far) = duplex(64 << 10);
        let site = tokio::spawn(async move {
            let mut stream = Box::pin(tokio_btls::SslStream::new(ssl, far).expect("a stream"));
            stream.as_mut().accept().await.expect("the browser's hello offers this");
        });
        let opened =
            connect(wanted(HelloKind::Firefox, Trust::default().nameless(), "fritz.box"), near).await;
        site.await.expect("the handshake itself comes to its end");
        assert_eq!(fault_of(&opened), Some(Outcome::Foreign));
    }

    #[tokio::test]
    async fn what_rustls_never_takes_is_refused_although_it_was_offered() {
        refused_after_all(|site| site.set_cipher_list("ECDHE-ECDSA-AES256-SHA").expect("a suite")).await;
        refused_after_all(|site| site.set_sigalgs_list("ecdsa_sha1").expect("a scheme")).await;
    }

    #[tokio::test]
    async fn packed_certificates_are_unpacked() {
        use super::super::unpack::packed;
        let identity = WebIdentity::self_signed(RelayId([1; 16]), 1_790_000_000).expect("a certificate");
        let config = tls::server(&identity).expect("a site");
        for packer in packed::ALL {
            let mut config = (*config).clone();
            config.cert_compressors = vec![packer];
            for kind in KINDS {
                let (opened, theirs) =
                    visit(kind, Trust::default().nameless(), "fritz.box", Arc::new(config.clone())).await;
                assert_eq!(opened.expect("unpacked").binding, theirs, "{packer:?} to {kind:?}");
            }
        }
    }
}
