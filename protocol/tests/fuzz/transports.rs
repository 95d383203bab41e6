//! The decoders of pluggable transports under test.

use crate::targets::{Target, text};
use karvon_protocol::pt::program::{Refusal, Starting};
use karvon_protocol::pt::{ARGS_MAX, PtLine};

fn transport_line(text: &str) -> bool {
    PtLine::from_text(text).is_ok_and(|read| {
        assert!(read.args().len() <= ARGS_MAX);
        assert_eq!(PtLine::from_text(&read.to_text()).as_ref(), Ok(&read));
        true
    })
}

/// What a program says means the same in one piece and byte by byte, and the secrets of a door go nowhere but to this machine.
fn transport_program(said: &[u8]) -> bool {
    let whole = Starting::new("obfs4", false).push(said);
    let mut starting = Starting::new("obfs4", false);
    let pieces = said.iter().map(|byte| starting.push(&[*byte]));
    let first = pieces.into_iter().find(|result| *result != Ok(None)).unwrap_or(Ok(None));
    // One piece may hold a good line and a bad one after it; the bytes after the end are not looked at then.
    if whole != Err(Refusal::Junk) {
        assert_eq!(first, whole);
    }
    whole.is_ok_and(|addr| {
        assert!(addr.is_none_or(|addr| addr.ip().is_loopback()));
        addr.is_some()
    })
}

/// The targets.
pub const TRANSPORTS: &[Target] = &[
    Target {
        name: "transport-line",
        quick: 20_000,
        corpus: |_| {
            let lines = [
                "obfs4 192.0.2.7:443 cert=aB+/ iat-mode=0",
                "Bridge x [2001:db8::1]:1 a=\\b;c url=https://h/?q=1",
            ];
            lines.map(|line| line.as_bytes().to_vec()).to_vec()
        },
        run: |input| text(input).is_some_and(transport_line),
    },
    Target {
        name: "transport-program",
        quick: 20_000,
        corpus: |_| {
            let lines = [
                "VERSION 1\nPROXY DONE\nCMETHOD obfs4 socks5 127.0.0.1:4711\nCMETHODS DONE\n",
                "VERSION 1\nSTATUS a=b\nLOG SEVERITY=debug MESSAGE=x\nCMETHOD-ERROR meek no\nCMETHOD obfs4 socks5 [::1]:1\nCMETHODS DONE\n",
            ];
            lines.map(|line| line.as_bytes().to_vec()).to_vec()
        },
        run: transport_program,
    },
];
