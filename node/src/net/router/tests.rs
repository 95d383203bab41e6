//! Both languages against small routers on loopback: real datagrams, real HTTP.

use super::*;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(95, 1, 2, 3);
const SHARED: Ipv4Addr = Ipv4Addr::new(100, 72, 2, 3);

/// How a router behaves.
#[derive(Debug, Clone, Copy)]
struct Ways {
    external: Ipv4Addr,
    /// Code with which it refuses to forward.
    refuses: Option<u16>,
    /// It forwards for ever only.
    permanent: bool,
    chunked: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self { external: PUBLIC, refuses: None, permanent: false, chunked: false }
    }
}

/// Port, machine inside, seconds.
type Forwarded = Arc<Mutex<Vec<(String, String, String)>>>;

/// A UPnP router; gone when dropped.
struct Igd {
    ssdp: SocketAddr,
    forwarded: Forwarded,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Igd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Igd {
    async fn start(ways: Ways) -> Self {
        let (udp, tcp) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (ssdp, web) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let answers = async move {
            let mut buffer = [0; 2_048];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                let question = String::from_utf8_lossy(&buffer[..length]).into_owned();
                assert!(question.starts_with("M-SEARCH * HTTP/1.1\r\n") && question.ends_with("\r\n\r\n"));
                // Another device of the home answers first, and one that lies.
                for text in [
                    "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n\r\n".to_owned(),
                    "HTTP/1.1 200 OK\r\nLOCATION: http://198.51.100.1/x\r\n\r\n".to_owned(),
                    format!(
                        "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nLocation: http://{web}/d.xml\r\n\r\n"
                    ),
                ] {
                    udp.send_to(text.as_bytes(), from).await.unwrap();
                }
            }
        };
        let forwarded = Forwarded::default();
        let table = forwarded.clone();
        let serves = async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let request = read(&mut stream).await;
                let (code, body) = answer(&request, &ways, &table);
                let text = if ways.chunked {
                    let (a, b) = body.split_at(body.len() / 2);
                    format!(
                        "HTTP/1.1 {code} X\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
                        a.len(),
                        b.len()
                    )
                } else {
                    format!("HTTP/1.1 {code} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                };
                // A connection that only looked where it comes from is gone.
                let _ = stream.write_all(text.as_bytes()).await;
            }
        };
        Self { ssdp, forwarded, tasks: [tokio::spawn(answers), tokio::spawn(serves)] }
    }

    fn places(&self) -> Places {
        Places { ssdp: self.ssdp, pmp: None }
    }

    fn forwarded(&self) -> Vec<(String, String, String)> {
        self.forwarded.lock().unwrap().clone()
    }
}

async fn read(stream: &mut tokio::net::TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        let wanted = text.split("Content-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let wanted = wanted.and_then(|length| length.parse().ok()).unwrap_or(0);
        if length == 0 || body.is_some_and(|body| body >= wanted) {
            return text;
        }
    }
}

fn answer(request: &str, ways: &Ways, table: &Forwarded) -> (u16, String) {
    let value = |name: &str| {
        let after = request.split(&format!("<{name}>")).nth(1).unwrap_or_default();
        after.split('<').next().unwrap_or_default().to_owned()
    };
    let fault =
        |code: u16| (500, format!("<s:Fault><UPnPError><errorCode>{code}</errorCode></UPnPError></s:Fault>"));
    if request.starts_with("GET /d.xml ") {
        let kind = "urn:schemas-upnp-org:service:WANIPConnection:1";
        return (
            200,
            format!(
                "<?xml version=\"1.0\"?><root><serviceList><service><serviceType>{kind}</serviceType>\
                 <controlURL>/ctl</controlURL></service></serviceList></root>"
            ),
        );
    }
    assert!(request.is_empty() || request.starts_with("POST /ctl "), "{request}");
    if request.contains("#GetExternalIPAddress\"") {
        return (200, format!("<NewExternalIPAddress>{}</NewExternalIPAddress>", ways.external));
    }
    let mut table = table.lock().unwrap();
    if request.contains("#DeletePortMapping\"") {
        table.retain(|(port, ..)| *port != value("NewExternalPort"));
    } else if request.contains("#AddPortMapping\"") {
        match ways.refuses {
            Some(code) => return fault(code),
            None if ways.permanent && value("NewLeaseDuration") != "0" => return fault(725),
            None => {}
        }
        assert_eq!(value("NewInternalPort"), value("NewExternalPort"));
        table.push((value("NewExternalPort"), value("NewInternalClient"), value("NewLeaseDuration")));
    }
    (200, "<ok/>".to_owned())
}

#[tokio::test]
async fn a_router_forwards_the_ports_to_this_machine_and_takes_them_back() {
    for chunked in [false, true] {
        let router = Igd::start(Ways { chunked, ..Ways::default() }).await;
        assert_eq!(outside(&router.places()).await, Outcome::Mapped(PUBLIC));
        assert_eq!(router.forwarded(), []);
        assert_eq!(map(&router.places(), &[7_443, 7_444]).await, Outcome::Mapped(PUBLIC));
        let row = |port: &str| (port.to_owned(), "127.0.0.1".to_owned(), "3600".to_owned());
        assert_eq!(router.forwarded(), [row("7443"), row("7444")]);
        unmap(&router.places(), &[7_443, 7_444]).await;
        assert_eq!(router.forwarded(), []);
    }
}

#[tokio::test]
async fn an_address_that_the_provider_shares_is_said_so() {
    for external in [SHARED, Ipv4Addr::new(10, 1, 1, 1), Ipv4Addr::new(192, 168, 178, 20)] {
        let router = Igd::start(Ways { external, ..Ways::default() }).await;
        assert_eq!(map(&router.places(), &[7_443]).await, Outcome::SharedAddress(external));
    }
    let offline = Igd::start(Ways { external: Ipv4Addr::UNSPECIFIED, ..Ways::default() }).await;
    let Outcome::Refused(why) = map(&offline.places(), &[7_443]).await else { panic!("it has no line") };
    assert!(why.contains("no connection to the internet"), "{why}");
}

#[tokio::test]
async fn a_refusal_is_told_in_words_and_a_forwarding_without_end_is_taken() {
    for (code, said) in [(606, "switched off"), (718, "another device"), (501, "code 501")] {
        let router = Igd::start(Ways { refuses: Some(code), ..Ways::default() }).await;
        let Outcome::Refused(why) = map(&router.places(), &[7_443]).await else { panic!("it refuses") };
        assert!(why.contains(said), "{why}");
    }
    let router = Igd::start(Ways { permanent: true, ..Ways::default() }).await;
    assert_eq!(map(&router.places(), &[7_443]).await, Outcome::Mapped(PUBLIC));
    assert_eq!(router.forwarded()[0].2, "0");
}

#[tokio::test]
async fn nobody_there_is_no_fault() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let places = Places { ssdp: addr, pmp: Some(addr) };
    assert_eq!(map(&places, &[7_443]).await, Outcome::NoRouter);
    let world = SocketAddr::from(([198, 51, 100, 1], PMP_PORT));
    let places = Places { ssdp: addr, pmp: Some(world) };
    assert_eq!(map(&places, &[7_443]).await, Outcome::NoRouter, "nobody on the internet is asked");
}

/// A NAT-PMP router: forwards a port for which `given` has another number to that one.
async fn pmp_router(external: Ipv4Addr, given: u16, refuses: u16) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let serve = async move {
        let mut buffer = [0; 64];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = match &buffer[..length] {
                [0, 0] => [&[0, 128, 0, 0, 0, 0, 0, 9][..], &external.octets()].concat(),
                [0, 2, 0, 0, inside @ .., _, _, a, b, c, d] if inside.len() == 2 => {
                    let code = refuses.to_be_bytes();
                    [&[0, 130][..], &code, &[0, 0, 0, 9], inside, &given.to_be_bytes(), &[*a, *b, *c, *d]]
                        .concat()
                }
                other => panic!("{other:?}"),
            };
            socket.send_to(&answer, from).await.unwrap();
        }
    };
    (addr, tokio::spawn(serve))
}

#[tokio::test]
async fn nat_pmp_is_asked_first_and_upnp_if_it_can_not() {
    let upnp = Igd::start(Ways::default()).await;
    let places = |pmp| Places { pmp: Some(pmp), ..upnp.places() };
    let (good, of_good) = pmp_router(Ipv4Addr::new(95, 9, 9, 9), 7_443, 0).await;
    assert_eq!(map(&places(good), &[7_443]).await, Outcome::Mapped(Ipv4Addr::new(95, 9, 9, 9)));
    assert_eq!(upnp.forwarded(), []);
    for (given, refuses) in [(9_999, 0), (7_443, 2), (7_443, 5)] {
        let (bad, of_bad) = pmp_router(PUBLIC, given, refuses).await;
        assert_eq!(map(&places(bad), &[7_443]).await, Outcome::Mapped(PUBLIC), "{given} {refuses}");
        assert_eq!(upnp.forwarded().len(), 1);
        unmap(&upnp.places(), &[7_443]).await;
        let alone = Places { pmp: Some(bad), ..silent().await };
        let outcome = map(&alone, &[7_443]).await;
        assert_eq!(matches!(outcome, Outcome::Refused(_)), refuses != 5, "{outcome:?}");
        of_bad.abort();
    }
    let (shared, of_shared) = pmp_router(SHARED, 7_443, 0).await;
    assert_eq!(map(&places(shared), &[7_443]).await, Outcome::SharedAddress(SHARED));
    of_good.abort();
    of_shared.abort();
}

async fn silent() -> Places {
    // Bound and let go: nobody answers there.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    Places { ssdp: socket.local_addr().unwrap(), pmp: None }
}
