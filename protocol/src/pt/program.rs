//! What the program of a transport says on its standard output while it starts, and what is believed of it.
//!
//! The program is a stranger's: lines are bounded, words that are not known are passed over as pt-spec asks, and an address at which it
//! offers its proxy must be this machine's own, because the door's secrets go there.

use core::fmt;
use core::net::SocketAddr;
use std::string::String;
use std::vec::Vec;

/// Longest line, bytes.
const LINE_MAX: usize = 2_048;
/// Lines before the program must have said where its proxy is; programs log a little first.
const LINES_MAX: usize = 256;
/// Letters that are kept of what the program says about a fault.
const WORDS_MAX: usize = 160;

/// Why a program that was started is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It speaks no version that is known here.
    #[error("it speaks another version of the protocol")]
    Version,
    /// It does not like how it was started.
    #[error("it could not be set up: {0}")]
    Setup(Words),
    /// It can not provide the transport.
    #[error("it can not provide this transport: {0}")]
    Method(Words),
    /// It is ready and has not offered the transport.
    #[error("it does not know this transport")]
    NotOffered,
    /// It can not go through the proxy that it was told of.
    #[error("it can not go through the proxy: {0}")]
    Proxy(Words),
    /// It went on without a word about the proxy.
    #[error("it would go past the proxy")]
    ProxyIgnored,
    /// It offers something else than SOCKS5 on this machine.
    #[error("it offers no SOCKS5 proxy on this device")]
    Offer,
    /// What it says is too long, too much, or no text.
    #[error("it says what no such program says")]
    Junk,
}

/// What a program said about itself, cut and cleaned: letters of ASCII in one line.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(String);

impl Words {
    /// Takes what can be shown of it.
    #[must_use]
    pub fn new(said: &str) -> Self {
        let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        Self(said.trim().chars().take(WORDS_MAX).map(shown).collect())
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "no reason given" } else { &self.0 })
    }
}

/// May name addresses, so a log does not show it.
impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.0.len())
    }
}

/// Cuts a stream of bytes into lines of a bounded length.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Takes bytes in and gives out the lines that are whole with them, without their ends. `None` for a line that is too long, which is forgotten.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        self.buffer.extend_from_slice(bytes);
        let mut out: Vec<Vec<u8>> = Vec::new();
        let mut rest = self.buffer.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            out.push(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
            rest = after.get(1..).unwrap_or_default();
        }
        let fits = rest.len() <= LINE_MAX && out.iter().all(|line| line.len() <= LINE_MAX);
        self.buffer = if fits { rest.to_vec() } else { Vec::new() };
        fits.then_some(out)
    }
}

/// A program that was asked for one transport and is starting.
#[derive(Debug)]
pub struct Starting {
    name: String,
    /// It was told of a proxy and has not confirmed it.
    proxy_open: bool,
    lines: Lines,
    seen: usize,
    versioned: bool,
    offer: Option<SocketAddr>,
}

impl Starting {
    /// Begins: asked for the transport `name`, and told of a proxy or not.
    #[must_use]
    pub fn new(name: &str, proxy: bool) -> Self {
        Self {
            name: name.to_owned(),
            proxy_open: proxy,
            lines: Lines::default(),
            seen: 0,
            versioned: false,
            offer: None,
        }
    }

    /// Takes in what the program has said; the address of its proxy once it is ready.
    ///
    /// # Errors
    /// A [`Refusal`]; it is to be ended then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<SocketAddr>, Refusal> {
        let lines = self.lines.push(bytes).ok_or(Refusal::Junk)?;
        for line in lines {
            self.seen += 1;
            if self.seen > LINES_MAX {
                return Err(Refusal::Junk);
            }
            let line = core::str::from_utf8(&line).map_err(|_| Refusal::Junk)?;
            if let Some(addr) = self.line(line)? {
                return Ok(Some(addr));
            }
        }
        Ok(None)
    }

    fn line(&mut self, line: &str) -> Result<Option<SocketAddr>, Refusal> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "VERSION-ERROR" => return Err(Refusal::Version),
            "VERSION" if rest == "1" => self.versioned = true,
            "VERSION" => return Err(Refusal::Version),
            "ENV-ERROR" => return Err(Refusal::Setup(Words::new(rest))),
            "PROXY-ERROR" => return Err(Refusal::Proxy(Words::new(rest))),
            "PROXY" if rest == "DONE" => self.proxy_open = false,
            "CMETHOD-ERROR" => {
                let (name, why) = rest.split_once(' ').unwrap_or((rest, ""));
                if name == self.name {
                    return Err(Refusal::Method(Words::new(why)));
                }
            }
            "CMETHOD" => {
                let mut words = rest.split_whitespace();
                if words.next() == Some(self.name.as_str()) {
                    let (kind, addr) = (words.next(), words.next());
                    let addr = addr.and_then(|addr| addr.parse().ok()).filter(|_| kind == Some("socks5"));
                    let own = addr.filter(|addr: &SocketAddr| addr.ip().is_loopback() && addr.port() != 0);
                    self.offer = Some(own.ok_or(Refusal::Offer)?);
                }
            }
            "CMETHODS" if rest == "DONE" => {
                if !self.versioned {
                    return Err(Refusal::Version);
                }
                if self.proxy_open {
                    return Err(Refusal::ProxyIgnored);
                }
                return self.offer.map(Some).ok_or(Refusal::NotOffered);
            }
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &str, proxy: bool) -> Result<Option<SocketAddr>, Refusal> {
        Starting::new("obfs4", proxy).push(lines.as_bytes())
    }

    #[test]
    fn a_program_that_keeps_to_the_protocol_says_where_it_is() {
        let all = "VERSION 1\nSTATUS TRANSPORT=x\nCMETHOD meek socks5 127.0.0.1:9\nCMETHOD obfs4 socks5 127.0.0.1:4711\r\nCMETHODS DONE\n";
        let addr = Ok(Some(SocketAddr::from(([127, 0, 0, 1], 4711))));
        assert_eq!(said(all, false), addr);
        // In pieces as small as they come.
        let mut starting = Starting::new("obfs4", true);
        let all = format!("PROXY DONE\n{all}");
        let (last, most) = all.as_bytes().split_last().unwrap();
        for byte in most {
            assert_eq!(starting.push(&[*byte]), Ok(None));
        }
        assert_eq!(starting.push(&[*last]), addr);
    }

    #[test]
    fn each_way_to_fail_has_its_name() {
        let offer = |line: &str| said(&format!("VERSION 1\n{line}\nCMETHODS DONE\n"), false);
        assert_eq!(said("VERSION-ERROR no-version\n", false), Err(Refusal::Version));
        assert_eq!(said("VERSION 2\n", false), Err(Refusal::Version));
        assert_eq!(said("CMETHOD obfs4 socks5 127.0.0.1:1\nCMETHODS DONE\n", false), Err(Refusal::Version));
        assert_eq!(said("ENV-ERROR no way\n", false), Err(Refusal::Setup(Words::new("no way"))));
        assert_eq!(offer("CMETHOD-ERROR obfs4 no luck"), Err(Refusal::Method(Words::new("no luck"))));
        assert_eq!(offer("CMETHOD-ERROR meek no luck"), Err(Refusal::NotOffered));
        assert_eq!(offer(""), Err(Refusal::NotOffered));
        for foreign in
            ["socks4 127.0.0.1:1", "socks5 192.0.2.1:1", "socks5 127.0.0.1:0", "socks5 nowhere", ""]
        {
            assert_eq!(offer(&format!("CMETHOD obfs4 {foreign}")), Err(Refusal::Offer), "{foreign}");
        }
        let fine = "VERSION 1\nCMETHOD obfs4 socks5 127.0.0.1:1\nCMETHODS DONE\n";
        assert_eq!(said(fine, true), Err(Refusal::ProxyIgnored));
        assert_eq!(said("PROXY-ERROR x\n", true), Err(Refusal::Proxy(Words::new("x"))));
    }

    #[test]
    fn what_is_too_long_or_too_much_or_no_text_ends_it() {
        assert_eq!(said(&"x".repeat(LINE_MAX + 1), false), Err(Refusal::Junk));
        assert_eq!(said(&"x\n".repeat(LINES_MAX), false), Ok(None));
        assert_eq!(said(&"x\n".repeat(LINES_MAX + 1), false), Err(Refusal::Junk));
        assert_eq!(Starting::new("obfs4", false).push(b"\xff\xfe\n"), Err(Refusal::Junk));
    }

    #[test]
    fn words_of_a_program_are_one_short_line_that_no_terminal_obeys() {
        let words = Words::new(&format!(" a\u{1b}[2Jb\tч{}", "x".repeat(500))).to_string();
        assert!(words.starts_with("a?[2Jb??x") && words.len() == WORDS_MAX);
        assert_eq!(Words::new(" ").to_string(), "no reason given");
    }
}
