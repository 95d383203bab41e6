//! As much of HTTP/1.1 as a small static site and the upgrade of a connection need.

use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest head of a request or response.
const HEAD_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 64;

/// What a request's head says, as far as a site cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// The other side wants to turn the connection into a web socket.
    pub(super) upgrade: bool,
    /// The connection stays open after the answer.
    pub(super) keep_alive: bool,
    /// A body follows.
    pub(super) body: bool,
    /// Whom another server passes this on for, by its word.
    pub(super) forwarded_for: Option<IpAddr>,
}

/// Why there is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRequest {
    /// The connection ended.
    Closed,
    /// Not HTTP, or too long.
    Bad,
}

/// Reads up to the end of a head; what follows it stays in `buffer`.
///
/// # Errors
/// [`NoRequest`]; a connection that ends in the middle of a head counts as closed.
async fn read_head<R: AsyncRead + Unpin>(reader: &mut R, buffer: &mut Vec<u8>) -> Result<Vec<u8>, NoRequest> {
    loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = buffer.split_off(at + 4);
            return Ok(std::mem::replace(buffer, rest));
        }
        if buffer.len() >= HEAD_MAX {
            return Err(NoRequest::Bad);
        }
        match reader.read_buf(buffer).await {
            Ok(0) | Err(_) => return Err(NoRequest::Closed),
            Ok(_) => {}
        }
    }
}

/// The next request.
///
/// # Errors
/// See [`read_head`].
pub(super) async fn request<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut Vec<u8>,
) -> Result<Request, NoRequest> {
    let head = read_head(reader, buffer).await?;
    parse(&head).ok_or(NoRequest::Bad)
}

fn parse(head: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    if !request.parse(head).ok()?.is_complete() {
        return None;
    }
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::to_ascii_lowercase)
    };
    let connection = header("connection").unwrap_or_default();
    let newest = request.version == Some(1);
    let length = header("content-length").is_some_and(|length| length.trim() != "0");
    let path = request.path?.split(['?', '#']).next().unwrap_or_default();
    Some(Request {
        method: request.method?.to_owned(),
        path: path.to_owned(),
        upgrade: header("upgrade").is_some_and(|to| to.trim() == "websocket")
            && connection.contains("upgrade"),
        keep_alive: if newest { !connection.contains("close") } else { connection.contains("keep-alive") },
        body: length || header("transfer-encoding").is_some(),
        // What stands last was written by the server next to this one; what stands before may be anybody's.
        forwarded_for: header("x-forwarded-for")
            .and_then(|all| all.rsplit(',').next().and_then(|last| last.trim().parse().ok())),
    })
}

/// What a response's head says, as far as a visitor cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// `Sec-WebSocket-Accept`.
    pub(super) accept: Option<String>,
    /// The site's clock, Unix seconds.
    pub(super) date_s: Option<u64>,
    pub(super) length: Option<usize>,
}

/// The next response.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] or [`io::ErrorKind::UnexpectedEof`].
pub(super) async fn response<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut Vec<u8>,
) -> io::Result<Response> {
    let head = read_head(reader, buffer).await.map_err(|_| io::ErrorKind::UnexpectedEof)?;
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let complete = response.parse(&head).is_ok_and(|status| status.is_complete());
    let status = response.code.filter(|_| complete).ok_or(io::ErrorKind::InvalidData)?;
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    Ok(Response {
        status,
        accept: header("sec-websocket-accept").map(str::to_owned),
        date_s: header("date").and_then(parse_date),
        length: header("content-length").and_then(|length| length.parse().ok()),
    })
}

/// The head of an answer with `length` bytes of body.
pub(super) fn answer(status: &str, kind: &str, length: usize, unix_s: u64, keep_alive: bool) -> Vec<u8> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    format!(
        "HTTP/1.1 {status}\r\nDate: {}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n",
        date(unix_s)
    )
    .into_bytes()
}

/// The answer that turns the connection over to a carrier.
pub(super) fn switching(accept: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The form of RFC 9110 §5.6.7.
fn date(unix_s: u64) -> String {
    let (days, seconds) = (unix_s / 86_400, unix_s % 86_400);
    let (year, month, day) = crate::api::time::civil(days);
    let weekday = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get((month as usize).saturating_sub(1)).copied().unwrap_or_default();
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The Unix time that `text` names; noon where the time of day can not be read.
fn parse_date(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace().skip(1);
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1_970..9_999).contains(year))?;
    // Days before this year and month, by counting: Gregorian leap years.
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let years: u64 = (1_970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take((month - 1) as usize).sum();
    let clock = words.next().map(|clock| clock.split(':').map(str::parse::<u64>));
    let parts: Option<Vec<u64>> = clock.and_then(|parts| parts.collect::<Result<_, _>>().ok());
    let time = match parts.as_deref() {
        Some([hour @ 0..24, minute @ 0..60, second @ 0..=60]) => hour * 3_600 + minute * 60 + second,
        _ => 43_200,
    };
    Some((years + months + day.clamp(1, 31) - 1) * 86_400 + time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_read_one_after_the_other() {
        let bytes: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nGET /d HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\nPOST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n";
        let (mut reader, mut buffer) = (bytes, Vec::new());
        let first = request(&mut reader, &mut buffer).await.unwrap();
        assert_eq!(
            (first.path.as_str(), first.upgrade, first.keep_alive, first.body),
            ("/a", false, true, false)
        );
        let second = request(&mut reader, &mut buffer).await.unwrap();
        assert!(second.upgrade && second.path == "/d");
        let third = request(&mut reader, &mut buffer).await.unwrap();
        assert!(third.body && !third.keep_alive && third.method == "POST");
        assert_eq!(request(&mut reader, &mut buffer).await, Err(NoRequest::Closed));
    }

    #[tokio::test]
    async fn only_the_last_address_that_was_forwarded_counts() {
        for (said, expected) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("198.51.100.1, 203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9, nobody", None),
            ("2001:db8::7", Some("2001:db8::7")),
            ("", None),
        ] {
            let bytes = format!("GET / HTTP/1.1\r\nX-Forwarded-For: {said}\r\n\r\n");
            let read = request(&mut bytes.as_bytes(), &mut Vec::new()).await.unwrap();
            assert_eq!(read.forwarded_for, expected.map(|ip| ip.parse().unwrap()), "{said}");
        }
    }

    #[tokio::test]
    async fn what_is_no_request_is_told_apart() {
        for (bytes, expected) in [
            (vec![0xfe; 9_000], NoRequest::Bad),
            (b"\x13/multistream/1.0.0\n\r\n\r\n".to_vec(), NoRequest::Bad),
            (b"GET / HTTP/1.1\r\nHost".to_vec(), NoRequest::Closed),
        ] {
            assert_eq!(request(&mut &bytes[..], &mut Vec::new()).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_as_it_was_written() {
        let noon = 20_779 * 86_400 + 43_200;
        let bytes = answer("404 Not Found", "text/html", 5, noon + 1, true);
        let read = response(&mut &bytes[..], &mut Vec::new()).await.unwrap();
        assert_eq!((read.status, read.length, read.date_s), (404, Some(5), Some(noon + 1)));
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        for day in (0..60_000).step_by(17) {
            let time = day * 86_400 + day * 7 % 86_400;
            assert_eq!(parse_date(&date(time)), Some(time));
        }
        let noon_of = |text: &str| parse_date(text).map(|time| time % 86_400);
        assert_eq!(noon_of("Sun, 06 Nov 1994"), Some(43_200));
        assert_eq!(noon_of("Sun, 06 Nov 1994 99:00:00 GMT"), Some(43_200));
        let bytes = switching("abc=");
        let read = response(&mut &bytes[..], &mut Vec::new()).await.unwrap();
        assert_eq!((read.status, read.accept.as_deref()), (101, Some("abc=")));
    }
}
