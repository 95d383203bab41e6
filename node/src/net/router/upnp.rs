//! UPnP's Internet Gateway Device: a multicast question, a description in XML, and three calls by SOAP.

use super::{Trouble, is_at_home};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

/// What is asked for; routers answer one or the other.
const WANTED: [&str; 3] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
];
/// The services that forward ports, without their version.
const SERVICES: [&str; 2] =
    ["urn:schemas-upnp-org:service:WANIPConnection:", "urn:schemas-upnp-org:service:WANPPPConnection:"];
/// How long devices may take to answer the question.
const SEARCH: Duration = Duration::from_secs(3);
/// How long one request to the router may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// Devices that are looked at.
const DEVICES_MAX: usize = 8;
const DATAGRAM_MAX: usize = 2_048;
/// Most that is read of an answer; descriptions have some 10 KB.
const ANSWER_MAX: usize = 128 << 10;
const HEADERS_MAX: usize = 64;
/// The error of routers that forward for ever only.
const ONLY_PERMANENT: &str = "725";

/// Where a service of a router is called.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    router: SocketAddr,
    path: String,
    kind: String,
}

/// The outside address, after `ports` were forwarded for `lease` (nothing: taken back).
pub(super) async fn ask(ssdp: SocketAddr, ports: &[u16], lease: Duration) -> Result<Ipv4Addr, Trouble> {
    let service = find(ssdp).await?;
    let external = service.call("GetExternalIPAddress", &[]).await?;
    let external = text_of(&external, "NewExternalIPAddress").and_then(|ip| ip.trim().parse().ok());
    // A router without a line to its provider answers with nothing or with 0.0.0.0.
    let external: Ipv4Addr = external
        .filter(|ip: &Ipv4Addr| !ip.is_unspecified())
        .ok_or_else(|| Trouble::Refused("the router has no connection to the internet".to_owned()))?;
    for port in ports {
        if lease.is_zero() {
            let outside = port.to_string();
            let values =
                [("NewRemoteHost", ""), ("NewExternalPort", outside.as_str()), ("NewProtocol", "TCP")];
            service.call("DeletePortMapping", &values).await?;
        } else {
            service.forward(*port, lease).await?;
        }
    }
    Ok(external)
}

/// Asks all devices, and takes the first that can forward ports.
async fn find(ssdp: SocketAddr) -> Result<Service, Trouble> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    for wanted in WANTED {
        let question = format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: {ssdp}\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: {wanted}\r\n\r\n"
        );
        socket.send_to(question.as_bytes(), ssdp).await?;
    }
    let until = Instant::now() + SEARCH;
    let (mut buffer, mut seen) = ([0; DATAGRAM_MAX], Vec::new());
    while seen.len() < DEVICES_MAX {
        let Ok(received) = timeout_at(until, socket.recv_from(&mut buffer)).await else { break };
        let (length, from) = received?;
        let Some(location) = location(buffer.get(..length).unwrap_or_default(), from.ip()) else { continue };
        if seen.contains(&location) {
            continue;
        }
        seen.push(location.clone());
        let (router, path) = location;
        // One that answers nonsense is passed over: there may be another.
        if let Ok((_, description)) = http(router, &format!("GET {path}"), &[], "").await
            && let Some(service) = service(&description, router)
        {
            return Ok(service);
        }
    }
    Err(Trouble::Silent)
}

/// Where the device that answered is described. It must be the one that answered: nobody is sent elsewhere.
fn location(answer: &[u8], from: IpAddr) -> Option<(SocketAddr, String)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(answer).ok()?;
    if response.code != Some(200) {
        return None;
    }
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"))?;
    let (addr, path) = split(std::str::from_utf8(header.value).ok()?.trim())?;
    (addr.ip() == from && is_at_home(from)).then_some((addr, path))
}

/// Address and path of a web address whose host is a number.
fn split(url: &str) -> Option<(SocketAddr, String)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let addr = host.parse().or_else(|_| host.parse().map(|ip: Ipv4Addr| SocketAddr::new(ip.into(), 80)));
    let clean = path.bytes().all(|byte| byte.is_ascii_graphic());
    addr.ok().filter(|_| clean).map(|addr| (addr, path.to_owned()))
}

/// The service in a description that forwards ports.
fn service(description: &str, router: SocketAddr) -> Option<Service> {
    let mut rest = description;
    while let Some((_, after)) = rest.split_once("<service>") {
        let (block, later) = after.split_once("</service>")?;
        rest = later;
        let kind = text_of(block, "serviceType").unwrap_or_default().trim();
        let forwards = SERVICES.iter().any(|known| kind.starts_with(known)) && kind.len() < 100;
        let url = text_of(block, "controlURL").map(str::trim).filter(|url| !url.is_empty());
        let (true, Some(url)) = (forwards, url) else { continue };
        let (addr, path) = match url.starts_with("http://") {
            true => split(url)?,
            false if url.starts_with('/') => (router, url.to_owned()),
            false => (router, format!("/{url}")),
        };
        // Another port of the same router is its own affair; another machine is not.
        let clean = path.bytes().all(|byte| byte.is_ascii_graphic());
        if addr.ip() == router.ip() && clean {
            return Some(Service { router: addr, path, kind: kind.to_owned() });
        }
    }
    None
}

/// The text in the first element of this name, which has no attributes worth reading and no elements in it.
fn text_of<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&format!("<{name}"))?;
    let (_, text) = after.split_once('>')?;
    Some(text.split_once("</")?.0)
}

impl Service {
    async fn forward(&self, port: u16, lease: Duration) -> Result<(), Trouble> {
        // The address from which this machine reaches the router is the one that the router reaches.
        let own = TcpStream::connect(self.router).await?.local_addr()?.ip().to_string();
        let (port, seconds) = (port.to_string(), lease.as_secs().to_string());
        let call = |seconds: &str| {
            let values = [
                ("NewRemoteHost", ""),
                ("NewExternalPort", port.as_str()),
                ("NewProtocol", "TCP"),
                ("NewInternalPort", port.as_str()),
                ("NewInternalClient", own.as_str()),
                ("NewEnabled", "1"),
                ("NewPortMappingDescription", "Karvon relay"),
                ("NewLeaseDuration", seconds),
            ];
            let values = values.map(|(name, value)| (name, value.to_owned()));
            async move {
                let values: Vec<(&str, &str)> =
                    values.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.call("AddPortMapping", &values).await
            }
        };
        match call(&seconds).await {
            Err(Trouble::Refused(why)) if why.contains(ONLY_PERMANENT) => call("0").await.map(drop),
            other => other.map(drop),
        }
    }

    /// Calls an action; the answer's body.
    async fn call(&self, action: &str, values: &[(&str, &str)]) -> Result<String, Trouble> {
        let values: String = values.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
        let body = format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{action} xmlns:u=\"{kind}\">\
             {values}</u:{action}></s:Body></s:Envelope>\r\n",
            kind = self.kind,
        );
        let headers = [
            ("Content-Type", "text/xml; charset=\"utf-8\"".to_owned()),
            ("SOAPAction", format!("\"{}#{action}\"", self.kind)),
        ];
        let (code, answer) = http(self.router, &format!("POST {}", self.path), &headers, &body).await?;
        if code == 200 {
            return Ok(answer);
        }
        let number = text_of(&answer, "errorCode").unwrap_or("?").trim();
        Err(Trouble::Refused(match number {
            "606" | "401" => "forwarding by programs is switched off in the router".to_owned(),
            "718" => "the port is forwarded to another device already".to_owned(),
            _ => {
                let digits: String = number.chars().filter(char::is_ascii_digit).take(3).collect();
                format!("the router can not do it (UPnP, code {digits})")
            }
        }))
    }
}

/// One request on a connection of its own: the code and the body of the answer.
async fn http(
    router: SocketAddr,
    what: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Result<(u16, String), Trouble> {
    let exchange = async {
        let mut stream = TcpStream::connect(router).await?;
        let mut request = format!("{what} HTTP/1.1\r\nHost: {router}\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let mut bounded = stream.take(ANSWER_MAX as u64);
        // Some routers do not close: as soon as the whole answer is there it is enough.
        while bounded.read_buf(&mut answer).await? > 0 {
            if let Some(whole) = parse(&answer, false) {
                return Ok(whole);
            }
        }
        parse(&answer, true).ok_or(Trouble::Silent)
    };
    timeout(PATIENCE, exchange).await.unwrap_or(Err(Trouble::Silent))
}

/// Code and body of a whole answer; `None` if something is missing. One without a length is whole when it has `ended`.
fn parse(answer: &[u8], ended: bool) -> Option<(u16, String)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer).ok()? else { return None };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    let body = answer.get(head..)?;
    let body = match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        _ if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) => {
            unchunk(body)?
        }
        Some(length) => body.get(..length)?.to_vec(),
        None if ended => body.to_vec(),
        None => return None,
    };
    Some((response.code?, String::from_utf8_lossy(&body).into_owned()))
}

/// A body in chunks; `None` if the last one is missing.
fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let httparse::Status::Complete((start, size)) = httparse::parse_chunk_size(body).ok()? else {
            return None;
        };
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            return Some(out);
        }
        out.extend_from_slice(body.get(start..start.checked_add(size)?)?);
        body = body.get(start + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> SocketAddr {
        "192.168.1.1:5000".parse().unwrap()
    }

    #[test]
    fn nobody_is_sent_to_another_machine() {
        let answer = |location: &str| format!("HTTP/1.1 200 OK\r\nLOCATION: {location}\r\nST: x\r\n\r\n");
        let at = |from: &str, to: &str| location(answer(to).as_bytes(), from.parse().unwrap());
        let good = at("192.168.1.1", "http://192.168.1.1:5000/desc.xml").unwrap();
        assert_eq!(good, (router(), "/desc.xml".to_owned()));
        assert_eq!(at("192.168.1.1", "http://192.168.1.1/d").unwrap().0.port(), 80);
        assert_eq!(at("192.168.1.1", "http://192.168.1.7:5000/desc.xml"), None);
        assert_eq!(at("198.51.100.1", "http://198.51.100.1:5000/desc.xml"), None, "not at home");
        assert_eq!(at("192.168.1.1", "http://router.example/desc.xml"), None);
        assert_eq!(at("192.168.1.1", "http://192.168.1.1/a b\u{7f}"), None);
        assert_eq!(location(b"NOTIFY * HTTP/1.1\r\n\r\n", router().ip()), None);
    }

    #[test]
    fn the_service_that_forwards_is_found_among_others() {
        let of = |kind: &str, url: &str| {
            format!(
                "<service><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType><controlURL>{url}</controlURL>\
                 </service>"
            )
        };
        let list = |services: &[String]| format!("<root><device>{}</device></root>", services.concat());
        let found =
            service(&list(&[of("Layer3Forwarding:1", "/l3"), of("WANIPConnection:2", "ctl/wan")]), router())
                .unwrap();
        assert_eq!((found.path.as_str(), found.router), ("/ctl/wan", router()));
        let other_port =
            service(&list(&[of("WANPPPConnection:1", "http://192.168.1.1:99/x")]), router()).unwrap();
        assert_eq!(other_port.router.port(), 99);
        assert_eq!(service(&list(&[of("WANIPConnection:1", "http://192.168.1.9/x")]), router()), None);
        assert_eq!(service(&list(&[of("WANIPConnection:1", "")]), router()), None);
        assert_eq!(service("<service><service><service>", router()), None);
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(parse(plain, false), Some((200, "hello".to_owned())));
        assert_eq!(parse(&plain[..plain.len() - 1], true), None);
        let chunked =
            b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        assert_eq!(parse(chunked, false), Some((500, "hello".to_owned())));
        assert_eq!(parse(&chunked[..chunked.len() - 12], true), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nhello", true), Some((200, "hello".to_owned())));
        assert_eq!(unchunk(b"ffffffffffffffff\r\nx"), None);
        for bad in [&b""[..], b"\0\0", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"] {
            assert_eq!(parse(bad, false), None);
        }
    }
    /// Whole answers of a good router, to be bent.
    fn answers() -> [Vec<u8>; 3] {
        let kind = "urn:schemas-upnp-org:service:WANIPConnection:1";
        let body = format!(
            "<root><service><serviceType>{kind}</serviceType><controlURL>/c</controlURL></service></root>\
             <NewExternalIPAddress>95.1.2.3</NewExternalIPAddress><errorCode>718</errorCode>"
        );
        [
            b"HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/desc.xml\r\n\r\n".to_vec(),
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes(),
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            )
            .into_bytes(),
        ]
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 3_000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn bent_answers_are_read_or_refused_and_lead_nowhere_else(
            which in 0_usize..3,
            bends in proptest::collection::vec((0_usize..600, proptest::num::u8::ANY), 0..12),
            cut in 0_usize..700,
            ended in proptest::bool::ANY,
        ) {
            let mut bytes = answers()[which].clone();
            for (at, byte) in bends {
                let length = bytes.len();
                bytes[at % length] = byte;
            }
            bytes.truncate(cut);
            if let Some((addr, _)) = location(&bytes, router().ip()) {
                assert_eq!(addr.ip(), router().ip());
            }
            if let Some((_, body)) = parse(&bytes, ended) {
                if let Some(found) = service(&body, router()) {
                    assert_eq!(found.router.ip(), router().ip());
                    assert!(found.path.starts_with('/') && found.path.bytes().all(|byte| byte.is_ascii_graphic()));
                }
                let _ = text_of(&body, "NewExternalIPAddress");
            }
        }
    }
}
