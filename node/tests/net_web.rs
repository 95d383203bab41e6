//! A web door shows a web site to whoever has no slot, byte for byte the same whatever they try, and lets slots in once for each path.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use karvon_node::deps::Deps;
use karvon_node::net::{
    NetCommand, NetEvent, NetHandle, Proxy, RelayOptions, Site, Transports, WebIdentity, WebOptions,
    public_key, start_leaf, start_relay,
};
use karvon_protocol::core::{DoorId, LinkInfo, Reason, Target};
use karvon_protocol::descriptor::{RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::link::{Frame, Kind};
use karvon_protocol::veil::path::{ask, day_of};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

const SEED: [u8; 32] = [7; 32];

fn relay_id() -> RelayId {
    RelayId::of(&public_key(&SEED).unwrap())
}

fn slot(number: u8) -> SlotKey {
    SlotKey { slot: SlotId([number; 8]), key: Zeroizing::new([number; 32]) }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A relay with a web door alone, and one slot.
async fn web_relay() -> (NetHandle, SocketAddr) {
    web_relay_with(WebIdentity::self_signed(relay_id(), now_s()).unwrap()).await
}

async fn web_relay_with(identity: WebIdentity) -> (NetHandle, SocketAddr) {
    let web = WebOptions {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        identity: Some(identity),
        site: Site::of_a_box(&SEED),
        only: true,
        ..WebOptions::default()
    };
    let mut deps = Deps::system(Zeroizing::new([1; 32]));
    deps.transports = Transports::tcp().with_web(web);
    let options = RelayOptions {
        static_seed: Zeroizing::new(SEED),
        mesh_seed: Zeroizing::new([8; 32]),
        door: "127.0.0.1:0".parse().unwrap(),
        mesh: "127.0.0.1:0".parse().unwrap(),
        allow_private: true,
        peers: Vec::new(),
    };
    let mut net = start_relay(&deps, options).await.unwrap();
    net.submit(NetCommand::SlotLives(slot(1)));
    let addr = net.listening().unwrap().web.unwrap();
    assert_eq!(net.listening().unwrap().door, addr, "there is no plain door beside it");
    (net, addr)
}

fn target(addr: SocketAddr, key: SlotKey) -> Target {
    Target::Door { door: DoorId(1), relay: relay_id(), addr: RelayAddr::Web(addr), key, pt: None }
}

async fn next(net: &mut NetHandle) -> NetEvent {
    tokio::time::timeout(Duration::from_secs(60), net.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_leaf_with_a_slot_gets_a_link_and_one_without_does_not() {
    let (mut relay, addr) = web_relay().await;
    let mut leaf = start_leaf(&Deps::system(Zeroizing::new([2; 32]))).unwrap();
    leaf.submit(NetCommand::Connect(target(addr, slot(1))));
    let NetEvent::LinkUp(link, LinkInfo::Door { .. }) = next(&mut leaf).await else { panic!("no link") };
    let NetEvent::LinkUp(far, LinkInfo::Leaf { .. }) = next(&mut relay).await else { panic!("no leaf") };
    // Far more than one carrier's allowance, both ways.
    for number in 0..6 {
        leaf.submit(NetCommand::Send { link, frame: Frame::new(Kind::Data, number, vec![1; 9_000]) });
        relay.submit(NetCommand::Send { link: far, frame: Frame::new(Kind::Data, number, vec![2; 2_000]) });
    }
    expect_frames(&mut leaf, 6).await;
    expect_frames(&mut relay, 6).await;
    let mut stranger = start_leaf(&Deps::system(Zeroizing::new([3; 32]))).unwrap();
    stranger.submit(NetCommand::Connect(target(addr, slot(2))));
    assert!(matches!(next(&mut stranger).await, NetEvent::ConnectFailed(..)));
    relay.submit(NetCommand::SlotEnded(slot(1).slot));
    let mut late = start_leaf(&Deps::system(Zeroizing::new([4; 32]))).unwrap();
    late.submit(NetCommand::Connect(target(addr, slot(1))));
    assert!(matches!(next(&mut late).await, NetEvent::ConnectFailed(..)), "the slot has ended");
}

/// Frames with these numbers of tunnels come in, in order.
async fn expect_frames(net: &mut NetHandle, count: u32) {
    for number in 0..count {
        let NetEvent::Frame { frame, .. } = next(net).await else { panic!("frame {number} is missing") };
        assert_eq!(frame.tunnel, number);
    }
}

fn leaf_with(seed: u8, proxy: Option<&str>) -> NetHandle {
    let mut deps = Deps::system(Zeroizing::new([seed; 32]));
    let proxy = proxy.map(|proxy| Proxy::parse(proxy).unwrap());
    deps.transports = Transports::tcp().with_web(WebOptions { proxy, ..WebOptions::default() });
    start_leaf(&deps).unwrap()
}

/// What a box on the path does to one connection, and what it saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// Most bytes from the server on one connection.
    most: AtomicUsize,
    /// Connections that carried more than the bound, and were frozen without a word.
    frozen: AtomicUsize,
}

/// A box on the path to `relay` that lets nothing more through once the server has sent `bound` bytes on a connection.
async fn freezing_box(relay: SocketAddr, bound: usize) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let noted = seen.clone();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let seen = noted.clone();
            seen.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let far = TcpStream::connect(relay).await.unwrap();
                let ((mut from_leaf, mut to_leaf), (mut from_relay, mut to_relay)) =
                    (near.into_split(), far.into_split());
                let up = tokio::spawn(async move { tokio::io::copy(&mut from_leaf, &mut to_relay).await });
                let (mut total, mut space) = (0, [0; 4_096]);
                while let Ok(count @ 1..) = from_relay.read(&mut space).await {
                    total += count;
                    seen.most.fetch_max(total, Ordering::Relaxed);
                    if total > bound {
                        seen.frozen.fetch_add(1, Ordering::Relaxed);
                        up.abort();
                        std::future::pending::<()>().await;
                    }
                    if to_leaf.write_all(&space[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (addr, seen)
}

/// A link through a box; its far end as well.
async fn linked_through(
    relay: &mut NetHandle,
    leaf: &mut NetHandle,
    addr: SocketAddr,
) -> (karvon_protocol::core::LinkId, karvon_protocol::core::LinkId) {
    leaf.submit(NetCommand::Connect(target(addr, slot(1))));
    let NetEvent::LinkUp(link, LinkInfo::Door { .. }) = next(leaf).await else { panic!("no link") };
    let NetEvent::LinkUp(far, LinkInfo::Leaf { .. }) = next(relay).await else { panic!("no leaf") };
    (link, far)
}

#[tokio::test]
async fn no_connection_carries_enough_to_be_frozen() {
    let (mut relay, addr) = web_relay().await;
    let (addr, seen) = freezing_box(addr, 15_000).await;
    let mut leaf = leaf_with(5, None);
    let (_, far) = linked_through(&mut relay, &mut leaf, addr).await;
    for number in 0..20 {
        relay.submit(NetCommand::Send { link: far, frame: Frame::new(Kind::Data, number, vec![2; 2_000]) });
    }
    expect_frames(&mut leaf, 20).await;
    assert_eq!(seen.frozen.load(Ordering::Relaxed), 0);
    assert!(seen.most.load(Ordering::Relaxed) <= 12_288);
    assert!(seen.connections.load(Ordering::Relaxed) >= 4, "40 KB do not fit into fewer");
}

#[tokio::test]
async fn a_link_survives_connections_that_freeze() {
    let (mut relay, addr) = web_relay().await;
    // Far stricter than what is known of: even what a door allows itself is cut.
    let (addr, seen) = freezing_box(addr, 7_000).await;
    let mut leaf = leaf_with(6, None);
    let (link, far) = linked_through(&mut relay, &mut leaf, addr).await;
    for number in 0..4 {
        relay.submit(NetCommand::Send { link: far, frame: Frame::new(Kind::Data, number, vec![2; 2_000]) });
        leaf.submit(NetCommand::Send { link, frame: Frame::new(Kind::Data, number, vec![3; 2_000]) });
    }
    expect_frames(&mut leaf, 4).await;
    expect_frames(&mut relay, 4).await;
    assert!(seen.frozen.load(Ordering::Relaxed) >= 1, "the box did its work");
}

/// A proxy of both kinds for one login; returns its port and how many connections it made.
async fn proxy() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let made = count.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let made = made.clone();
            tokio::spawn(async move {
                let target: SocketAddr = if near.read_u8().await.unwrap() == 5 {
                    let methods = near.read_u8().await.unwrap();
                    near.read_exact(&mut vec![0; methods.into()]).await.unwrap();
                    near.write_all(&[5, 2]).await.unwrap();
                    let mut login = [0; 9];
                    near.read_exact(&mut login).await.unwrap();
                    assert_eq!(&login, b"\x01\x03ali\x03abc");
                    near.write_all(&[1, 0]).await.unwrap();
                    let mut asked = [0; 10];
                    near.read_exact(&mut asked).await.unwrap();
                    let [5, 1, 0, 1, a, b, c, d, p, q] = asked else { panic!("{asked:?}") };
                    near.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([p, q])))
                } else {
                    let mut head = "C".to_owned();
                    while !head.ends_with("\r\n\r\n") {
                        head.push(near.read_u8().await.unwrap().into());
                    }
                    assert!(head.contains("Proxy-Authorization: Basic YWxpOmFiYw=="), "{head}");
                    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                    head.split(' ').nth(1).unwrap().parse().unwrap()
                };
                made.fetch_add(1, Ordering::Relaxed);
                let mut far = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, count)
}

#[tokio::test]
async fn a_leaf_goes_through_its_users_proxy_and_never_past_it() {
    let (mut relay, addr) = web_relay().await;
    let (port, made) = proxy().await;
    for (number, scheme) in [(7, "socks5"), (8, "http")] {
        let mut leaf = leaf_with(number, Some(&format!("{scheme}://ali:abc@127.0.0.1:{port}")));
        let before = made.load(Ordering::Relaxed);
        let (_, far) = linked_through(&mut relay, &mut leaf, addr).await;
        relay.submit(NetCommand::Send { link: far, frame: Frame::new(Kind::Data, 0, vec![2; 2_000]) });
        expect_frames(&mut leaf, 1).await;
        assert!(made.load(Ordering::Relaxed) > before, "{scheme}");
        let plain = Target::Door {
            door: DoorId(2),
            relay: relay_id(),
            addr: RelayAddr::Ip(addr),
            key: slot(1),
            pt: None,
        };
        leaf.submit(NetCommand::Connect(plain));
        assert!(matches!(next(&mut leaf).await, NetEvent::ConnectFailed(_, Reason::Forbidden)));
        leaf.close().await;
        while !matches!(next(&mut relay).await, NetEvent::LinkDown(..)) {}
    }
    let mut leaf = leaf_with(9, Some("socks5://127.0.0.1:1"));
    leaf.submit(NetCommand::Connect(target(addr, slot(1))));
    assert!(matches!(next(&mut leaf).await, NetEvent::ConnectFailed(_, Reason::Unreachable)), "a dead proxy");
}

/// A certificate for `name` and the authority that vouches for it (DER).
fn vouched_for(name: &str) -> (WebIdentity, Vec<u8>) {
    let pem = |kind: &str, der: &[u8]| {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", data_encoding::BASE64.encode(der))
    };
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority, &authority_key).unwrap();
    let chain = pem("CERTIFICATE", certificate.der());
    let key = pem("PRIVATE KEY", &key.serialize_der());
    let identity = WebIdentity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    (identity, authority.der().to_vec())
}

#[tokio::test]
async fn a_door_with_a_name_is_believed_only_if_its_certificate_is_vouched_for() {
    let (identity, authority) = vouched_for("door.example");
    let (mut relay, addr) = web_relay_with(identity).await;
    let SocketAddr::V4(v4) = addr else { panic!("{addr}") };
    let dial = |name: &str, seed: u8, roots: Vec<Vec<u8>>| {
        let mut deps = Deps::system(Zeroizing::new([seed; 32]));
        deps.transports = Transports::tcp().with_web(WebOptions { roots, ..WebOptions::default() });
        let mut leaf = start_leaf(&deps).unwrap();
        let addr = RelayAddr::Site(*v4.ip(), v4.port(), name.to_owned());
        let target = Target::Door { door: DoorId(1), relay: relay_id(), addr, key: slot(1), pt: None };
        leaf.submit(NetCommand::Connect(target));
        leaf
    };
    let mut leaf = dial("door.example", 10, vec![authority.clone()]);
    assert!(matches!(next(&mut leaf).await, NetEvent::LinkUp(_, LinkInfo::Door { .. })));
    assert!(matches!(next(&mut relay).await, NetEvent::LinkUp(_, LinkInfo::Leaf { .. })));
    let mut unknown = dial("door.example", 11, Vec::new());
    assert!(matches!(next(&mut unknown).await, NetEvent::ConnectFailed(_, Reason::Unreachable)));
    let mut other = dial("other.example", 12, vec![authority]);
    assert!(matches!(next(&mut other).await, NetEvent::ConnectFailed(_, Reason::Unreachable)));
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn visit(addr: SocketAddr) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let tcp = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("example.org").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

fn binding(stream: &TlsStream<TcpStream>) -> [u8; 32] {
    stream.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).unwrap()
}

const UPGRADE: &str = "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// The whole answer to one request, its date left out.
async fn asked(stream: &mut TlsStream<TcpStream>, method: &str, path: &str, headers: &str) -> String {
    stream.write_all(format!("{method} {path} HTTP/1.1\r\n{headers}").as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains("\r\n\r\n") {
        text.push(stream.read_u8().await.unwrap().into());
    }
    let length: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
    stream.read_exact(&mut body).await.unwrap();
    let head: Vec<&str> = text.lines().filter(|line| !line.starts_with("Date: ")).collect();
    head.join("\n") + &String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn every_wrong_path_gets_the_sites_own_404() {
    let (_relay, addr) = web_relay().await;
    let mut stream = visit(addr).await;
    let plain = "Host: h\r\n\r\n";
    let missing = asked(&mut stream, "GET", "/nothing-here", plain).await;
    assert!(missing.starts_with("HTTP/1.1 404 Not Found\n"), "{missing}");
    assert!(asked(&mut stream, "GET", "/", plain).await.starts_with("HTTP/1.1 200 OK\n"));
    let (today, bound) = (day_of(now_s()), binding(&stream));
    let wrong = [
        ask(&slot(2), today, &[1; 12], &bound).path,
        ask(&slot(1), today - 2, &[1; 12], &bound).path,
        ask(&slot(1), today + 2, &[1; 12], &bound).path,
        ask(&slot(1), today, &[1; 12], &[9; 32]).path,
        Zeroizing::new(format!("/{}", "A".repeat(48))),
    ];
    for path in &wrong {
        for headers in [plain, UPGRADE] {
            assert_eq!(asked(&mut stream, "GET", path, headers).await, missing);
        }
    }
    // A good path without an upgrade betrays nothing either, and is used up by it.
    let good = ask(&slot(1), today, &[2; 12], &bound).path;
    assert_eq!(asked(&mut stream, "GET", &good, plain).await, missing);
    assert_eq!(asked(&mut stream, "GET", &good, UPGRADE).await, missing);
    let fresh = ask(&slot(1), today, &[3; 12], &bound);
    let mut other = visit(addr).await;
    assert_eq!(asked(&mut other, "GET", &fresh.path, UPGRADE).await, missing, "another connection");
    let answer = asked(&mut stream, "GET", &fresh.path, UPGRADE).await;
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains(&fresh.answer), "{answer}");
    let mut replay = visit(addr).await;
    assert_eq!(asked(&mut replay, "GET", &fresh.path, UPGRADE).await, missing, "replayed");
}

#[tokio::test]
async fn what_is_not_the_web_is_refused_as_by_any_site() {
    let (_relay, addr) = web_relay().await;
    let mut stream = visit(addr).await;
    assert!(asked(&mut stream, "PUT", "/", "Host: h\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
    let mut stream = visit(addr).await;
    assert!(asked(&mut stream, "\x13/multistream/1.0.0\n", "", "\r\n").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap_or(0), 0, "and the connection ends");
    // In clear, and as libp2p would begin: a TLS alert and the end.
    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(b"\x13/multistream/1.0.0\n\x07/noise\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
}

/// A listener that hangs up on everybody after their first packet, and the cipher suites that each named there.
async fn names_only() -> (SocketAddr, tokio::sync::mpsc::Receiver<Vec<u16>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (seen, read) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Record, handshake, version, random, session id: 44 bytes and 32; then the length of the list.
            let mut head = [0; 78];
            stream.read_exact(&mut head).await.unwrap();
            let mut suites = vec![0; usize::from(u16::from_be_bytes([head[76], head[77]]))];
            stream.read_exact(&mut suites).await.unwrap();
            let suites = suites.chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]]));
            // Chrome's list begins with a value that means nothing and is another one each time.
            let suites = suites.filter(|suite| suite & 0x0f0f != 0x0a0a).collect();
            if seen.send(suites).await.is_err() {
                return;
            }
        }
    });
    (addr, read)
}

#[tokio::test]
async fn a_door_sees_the_same_hello_after_each_start() {
    let (addr, mut seen) = names_only().await;
    let mut kinds = std::collections::BTreeSet::new();
    for number in 0..12 {
        let mut first = None;
        for start in [1, 2] {
            let mut leaf = leaf_with(100 + start, None);
            leaf.submit(NetCommand::Connect(target(addr, slot(number))));
            let named = tokio::time::timeout(Duration::from_secs(60), seen.recv()).await.unwrap().unwrap();
            assert_eq!(*first.get_or_insert(named.clone()), named, "door {number}, start {start}");
            assert!(matches!(next(&mut leaf).await, NetEvent::ConnectFailed(..)));
        }
        kinds.extend(first);
    }
    // Without the feature it is rustls every time; with it and without its patch of the library, Firefox.
    assert_eq!(kinds.len(), if cfg!(feature = "browser-hello") { 2 } else { 1 }, "{kinds:04x?}");
}
