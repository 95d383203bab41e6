//! Doors behind pluggable transports: a program as pt-spec asks leads to either kind of door, and each way to fail is told by its name.
//!
//! The programs are scripts that say their lines; the SOCKS5 proxy they offer is run by the test, so that it sees what is asked of it.
//! The real obfs4proxy is tried by `tests/transports/transports.py`.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

mod net_support;

use karvon_node::deps::Deps;
use karvon_node::net::{
    DoorFaults, NetCommand, NetEvent, NetHandle, Proxy, PtOptions, RelayOptions, Site, Transports,
    WebIdentity, WebOptions, public_key, start_leaf, start_relay,
};
use karvon_protocol::core::{DoorId, LinkInfo, Target};
use karvon_protocol::descriptor::{RelayAddr, SlotKey};
use karvon_protocol::ids::{RelayId, SlotId};
use karvon_protocol::pt::PtLine;
use net_support::{DEADLINE, any_port, next};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

const SEED: [u8; 32] = [7; 32];
const LINE: &str = "obfs4 192.0.2.7:443 cert=aB+/= iat-mode=0";

fn relay_id() -> RelayId {
    RelayId::of(&public_key(&SEED).unwrap())
}

fn slot() -> SlotKey {
    SlotKey { slot: SlotId([1; 8]), key: Zeroizing::new([1; 32]) }
}

/// A relay with both kinds of doors.
async fn relay() -> NetHandle {
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let web = WebOptions {
        listen: Some(any_port()),
        identity: Some(WebIdentity::self_signed(relay_id(), now_s).unwrap()),
        site: Site::of_a_box(&SEED),
        ..WebOptions::default()
    };
    let mut deps = Deps::system(Zeroizing::new([1; 32]));
    deps.transports = Transports::tcp().with_web(web);
    let options = RelayOptions {
        static_seed: Zeroizing::new(SEED),
        mesh_seed: Zeroizing::new([8; 32]),
        door: any_port(),
        mesh: any_port(),
        allow_private: true,
        peers: Vec::new(),
    };
    let mut net = start_relay(&deps, options).await.unwrap();
    net.submit(NetCommand::SlotLives(slot()));
    net
}

/// What a proxy was asked: user name, password, and the address.
type Asked = Arc<Mutex<Vec<(Vec<u8>, Vec<u8>, SocketAddr)>>>;

/// A SOCKS5 proxy that leads every connection to `to`, or answers with the code `code`.
async fn proxy(to: SocketAddr, login: u8, code: u8) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let (addr, asked) = (listener.local_addr().unwrap(), Asked::default());
    let heard = asked.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(tcp, to, login, code, heard.clone()));
        }
    });
    (addr, asked)
}

async fn serve(mut tcp: TcpStream, to: SocketAddr, login: u8, code: u8, asked: Asked) -> Option<()> {
    let mut bytes = [0; 3];
    tcp.read_exact(&mut bytes).await.ok()?;
    let [5, 1, method] = bytes else { return None };
    tcp.write_all(&[5, method]).await.ok()?;
    let (mut user, mut password) = (Vec::new(), Vec::new());
    if method == 2 {
        tcp.read_u8().await.ok()?;
        for part in [&mut user, &mut password] {
            part.resize(usize::from(tcp.read_u8().await.ok()?), 0);
            tcp.read_exact(part).await.ok()?;
        }
        tcp.write_all(&[1, login]).await.ok()?;
    }
    let mut bytes = [0; 10];
    tcp.read_exact(&mut bytes).await.ok()?;
    let [5, 1, 0, 1, a, b, c, d, high, low] = bytes else { return None };
    asked.lock().unwrap().push((user, password, ([a, b, c, d], u16::from_be_bytes([high, low])).into()));
    tcp.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    let mut far = TcpStream::connect(to).await.ok()?;
    copy_bidirectional(&mut tcp, &mut far).await.ok()?;
    Some(())
}

/// A program in `dir` that runs these lines of shell.
fn script(dir: &Path, lines: &str) -> PathBuf {
    let path = dir.join("program");
    // Written by another process: a file that this one has open to write may be held by a child just forked, and is "busy" then.
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 700 \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{lines}\n").as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
    path
}

/// What a good program says, until its input is closed.
fn offering(addr: SocketAddr) -> String {
    format!("echo VERSION 1; echo CMETHOD obfs4 socks5 {addr}; echo CMETHODS DONE; read -r _")
}

fn leaf(dir: &Path, program: Option<PathBuf>, with_proxy: Option<Proxy>) -> NetHandle {
    let options = PtOptions {
        programs: program.into_iter().map(|path| ("obfs4".to_owned(), path)).collect(),
        state_dir: Some(dir.join("state")),
        proxy: with_proxy.clone(),
        ready_within: Duration::from_secs(5),
    };
    let web = WebOptions { proxy: with_proxy, ..WebOptions::default() };
    let mut deps = Deps::system(Zeroizing::new([2; 32]));
    deps.transports = Transports::tcp().with_web(web).with_pt(options);
    start_leaf(&deps).unwrap()
}

fn target(addr: RelayAddr, line: &str) -> Target {
    let pt = Some(PtLine::from_text(line).unwrap());
    Target::Door { door: DoorId(1), relay: relay_id(), addr, key: slot(), pt }
}

/// Where nobody listens: what lies behind a transport is for the transport alone to dial.
fn nowhere(web: bool) -> RelayAddr {
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    if web { RelayAddr::Web(addr) } else { RelayAddr::Ip(addr) }
}

/// The code and words of the fault after one try.
async fn fault(leaf: &mut NetHandle, line: &str) -> (&'static str, String) {
    // Dials of web doors are paced.
    leaf.submit(NetCommand::Connect(target(nowhere(false), line)));
    assert!(matches!(next(leaf).await, NetEvent::ConnectFailed(..)));
    let fault = leaf.door_faults().of(relay_id()).expect("a reason");
    (fault.code(), fault.to_string())
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn both_kinds_of_doors_are_reached_through_a_program_that_keeps_to_the_protocol() {
    let mut relay = relay().await;
    let listening = relay.listening().unwrap();
    for (web, to) in [(true, listening.web.unwrap()), (false, listening.door)] {
        let (addr, asked) = proxy(to, 0, 0).await;
        let dir = tempfile::tempdir().unwrap();
        // What a program is told and what it is not.
        let check = "[ $TOR_PT_MANAGED_TRANSPORT_VER$TOR_PT_EXIT_ON_STDIN_CLOSE = 11 ] || exit 4\n\
             [ $TOR_PT_CLIENT_TRANSPORTS = obfs4 ] || exit 5\n[ \"$TOR_PT_STATE_LOCATION\" = \"$PWD\" ] || exit 6\n\
             [ -z \"$CARGO_MANIFEST_DIR$TOR_PT_PROXY\" ] || exit 7\n";
        let lines = format!("{check}echo $$ > pid\n{}\necho ended > ended", offering(addr));
        let program = script(dir.path(), &lines);
        let mut leaf = leaf(dir.path(), Some(program), None);
        leaf.submit(NetCommand::Connect(target(nowhere(web), LINE)));
        let up = next(&mut leaf).await;
        let faults = leaf.door_faults();
        assert!(matches!(up, NetEvent::LinkUp(_, LinkInfo::Door { .. })), "{up:?} {faults:?}");
        assert!(matches!(next(&mut relay).await, NetEvent::LinkUp(_, LinkInfo::Leaf { .. })));
        assert_eq!(faults.of(relay_id()), None, "a door that opened has no fault");
        let (user, password, addr) = asked.lock().unwrap().first().cloned().unwrap();
        assert_eq!((user.as_slice(), password.as_slice()), (&b"cert=aB+/=;iat-mode=0"[..], &[0][..]));
        assert_eq!(addr, "192.0.2.7:443".parse().unwrap());
        let state = dir.path().join("state/obfs4");
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        // The program ends with the network.
        leaf.close().await;
        until("the program is told to end", || state.join("ended").exists()).await;
        while !matches!(next(&mut relay).await, NetEvent::LinkDown(..)) {}
    }
}

#[tokio::test]
async fn long_arguments_are_parted_between_user_and_password_and_none_need_no_login() {
    let relay = relay().await;
    let (addr, asked) = proxy(relay.listening().unwrap().door, 0, 0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut leaf = leaf(dir.path(), Some(script(dir.path(), &offering(addr))), None);
    let long = format!("obfs4 192.0.2.7:443 k={}", "v".repeat(300));
    for line in [long.as_str(), "obfs4 192.0.2.7:443"] {
        leaf.submit(NetCommand::Connect(target(nowhere(false), line)));
        // The relay ends the first link for the second one.
        while !matches!(next(&mut leaf).await, NetEvent::LinkUp(..)) {}
    }
    let asked = asked.lock().unwrap();
    let lengths: Vec<_> = asked.iter().map(|(user, password, _)| (user.len(), password.len())).collect();
    assert_eq!(lengths, [(255, 47), (0, 0)]);
}

#[tokio::test]
async fn each_way_to_fail_is_told_by_its_name() {
    let dead = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let (refusing, _) = proxy(dead, 0, 4).await;
    let (choosy, _) = proxy(dead, 1, 0).await;
    let (leading_nowhere, _) = proxy(dead, 0, 0).await;
    let talk = |line: &str| format!("echo VERSION 1; echo {line}; echo CMETHODS DONE; read -r _");
    let cases = [
        ("echo oh no >&2; exit 3".to_owned(), "transport_crashed", "exit status: 3; oh no"),
        ("echo hello; kill -9 $$".to_owned(), "transport_crashed", "signal: 9"),
        ("echo VERSION-ERROR no-version; read -r _".to_owned(), "transport_version", "version"),
        ("echo ENV-ERROR no place; read -r _".to_owned(), "transport_setup", "no place"),
        (talk("CMETHOD-ERROR obfs4 no luck"), "transport_not_offered", "no luck"),
        (talk("CMETHOD meek socks5 127.0.0.1:1"), "transport_not_offered", "does not know"),
        (talk("CMETHOD obfs4 socks4 127.0.0.1:1"), "transport_junk", "no SOCKS5"),
        (talk("CMETHOD obfs4 socks5 192.0.2.9:1"), "transport_junk", "on this device"),
        ("while :; do echo junk || exit; done".to_owned(), "transport_junk", "no such program"),
        ("while :; do printf junkjunkjunkjunk || exit; done".to_owned(), "transport_junk", "no such program"),
        ("exec sleep 1000".to_owned(), "transport_slow", "does not get ready"),
        (offering(dead), "transport_broken", "broke the connection off"),
        (offering(refusing), "transport_server", "code 4"),
        (offering(choosy), "transport_line", "after pt="),
        (offering(leading_nowhere), "transport_behind", "behind it"),
    ];
    for (lines, code, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut leaf = leaf(dir.path(), Some(script(dir.path(), &lines)), None);
        let (told, said) = fault(&mut leaf, LINE).await;
        assert!(told == code && said.contains(words), "{lines}: {told}: {said}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_or_may_not_be_run_or_is_none_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (gone, locked, none) = (dir.path().join("gone"), dir.path().join("locked"), dir.path().join("none"));
    fs::write(&locked, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&none, [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    fs::set_permissions(&none, fs::Permissions::from_mode(0o700)).unwrap();
    let cases = [
        (gone, "transport_missing", "gone"),
        (locked, "transport_not_executable", "locked"),
        (none, "transport_not_started", "can not be started"),
    ];
    for (path, code, words) in cases {
        let mut leaf = leaf(dir.path(), Some(path), None);
        let (told, said) = fault(&mut leaf, LINE).await;
        assert!(told == code && said.contains(words), "{told}: {said}");
    }
    // A line can name no program of the person's but those that are known as transports.
    let mut leaf = leaf(dir.path(), None, None);
    assert_eq!(fault(&mut leaf, "sh 192.0.2.7:443").await.0, "transport_unknown");
}

#[tokio::test]
async fn a_program_that_crashed_is_started_again_after_a_pause_and_the_door_opens() {
    let relay = relay().await;
    let (addr, _) = proxy(relay.listening().unwrap().web.unwrap(), 0, 0).await;
    let dir = tempfile::tempdir().unwrap();
    let lines =
        format!("[ -e once ] || {{ : > once; echo oh no >&2; exit 3; }}\n: > twice\n{}", offering(addr));
    let mut leaf = leaf(dir.path(), Some(script(dir.path(), &lines)), None);
    assert_eq!(fault(&mut leaf, LINE).await.0, "transport_crashed");
    // In the pause it is told at once, and nothing is started.
    assert_eq!(fault(&mut leaf, LINE).await.0, "transport_crashed");
    assert!(!dir.path().join("state/obfs4/twice").exists());
    let end = Instant::now() + DEADLINE;
    loop {
        leaf.submit(NetCommand::Connect(target(nowhere(true), LINE)));
        if let NetEvent::LinkUp(..) = next(&mut leaf).await {
            break;
        }
        assert!(Instant::now() < end, "it opens in the end");
    }
    assert_eq!(leaf.door_faults().of(relay_id()), None);
}

#[tokio::test]
async fn a_program_that_does_not_end_by_itself_is_killed_with_the_network() {
    let relay = relay().await;
    let (addr, _) = proxy(relay.listening().unwrap().door, 0, 0).await;
    let dir = tempfile::tempdir().unwrap();
    let deaf = offering(addr).replace("read -r _", "echo $$ > pid; exec sleep 1000");
    let mut leaf = leaf(dir.path(), Some(script(dir.path(), &deaf)), None);
    leaf.submit(NetCommand::Connect(target(nowhere(false), LINE)));
    assert!(matches!(next(&mut leaf).await, NetEvent::LinkUp(..)));
    let pid = dir.path().join("state/obfs4/pid");
    until("it says who it is", || fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))).await;
    let pid = fs::read_to_string(&pid).unwrap();
    let lives = || {
        let kill = Command::new("kill").args(["-0", pid.trim()]).output().unwrap();
        kill.status.success()
    };
    assert!(lives());
    drop(leaf);
    until("it is killed", || !lives()).await;
}

#[tokio::test]
async fn a_proxy_of_the_person_is_given_to_the_program_and_must_be_confirmed() {
    let relay = relay().await;
    let (addr, _) = proxy(relay.listening().unwrap().door, 0, 0).await;
    let own = || Proxy::parse("socks5://ali:a@b@127.0.0.1:9");
    let asked = "[ $TOR_PT_PROXY = socks5://ali:a%40b@127.0.0.1:9 ] || exit 4\n";
    let dir = tempfile::tempdir().unwrap();
    let good = format!("{asked}echo PROXY DONE; {}", offering(addr));
    let mut leaf_behind = leaf(dir.path(), Some(script(dir.path(), &good)), own());
    leaf_behind.submit(NetCommand::Connect(target(nowhere(false), LINE)));
    assert!(
        matches!(next(&mut leaf_behind).await, NetEvent::LinkUp(..)),
        "a plain door is not dialled past it"
    );
    for (lines, words) in [
        (offering(addr), "go past the proxy"),
        (format!("echo PROXY-ERROR no way; {}", offering(addr)), "no way"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut leaf = leaf(dir.path(), Some(script(dir.path(), &lines)), own());
        let (code, said) = fault(&mut leaf, LINE).await;
        assert!(code == "transport_proxy" && said.contains(words), "{code}: {said}");
    }
}

#[test]
fn a_door_that_was_never_tried_has_no_fault() {
    assert_eq!(DoorFaults::default().of(relay_id()), None);
}
