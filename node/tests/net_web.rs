//! A web door shows a web site to whoever has no slot, byte for byte the same whatever they try, and lets slots in once for each path.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use karvon_node::deps::Deps;
use karvon_node::net::{
    NetCommand, NetEvent, NetHandle, RelayOptions, Site, Transports, WebIdentity, WebOptions, public_key,
    start_leaf, start_relay,
};
use karvon_protocol::core::{DoorId, LinkInfo, Target};
use karvon_protocol::descriptor::{RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::link::{Frame, Kind};
use karvon_protocol::veil::path::{ask, day_of};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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
    let identity = WebIdentity::self_signed(relay_id(), now_s()).unwrap();
    let web = WebOptions {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        identity: Some(identity),
        site: Site::of_a_box(&SEED),
        only: true,
        roots: Vec::new(),
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
    Target::Door { door: DoorId(1), relay: relay_id(), addr: RelayAddr::Web(addr), key }
}

async fn next(net: &mut NetHandle) -> NetEvent {
    tokio::time::timeout(Duration::from_secs(20), net.recv()).await.unwrap().unwrap()
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
    for net in [&mut leaf, &mut relay] {
        for number in 0..6 {
            let NetEvent::Frame { frame, .. } = next(net).await else { panic!("frame {number} is missing") };
            assert_eq!(frame.tunnel, number);
        }
    }
    let mut stranger = start_leaf(&Deps::system(Zeroizing::new([3; 32]))).unwrap();
    stranger.submit(NetCommand::Connect(target(addr, slot(2))));
    assert!(matches!(next(&mut stranger).await, NetEvent::ConnectFailed(..)));
    relay.submit(NetCommand::SlotEnded(slot(1).slot));
    let mut late = start_leaf(&Deps::system(Zeroizing::new([4; 32]))).unwrap();
    late.submit(NetCommand::Connect(target(addr, slot(1))));
    assert!(matches!(next(&mut late).await, NetEvent::ConnectFailed(..)), "the slot has ended");
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
