//! Lets an implementation in another language talk with this one, for the scripts in `protocol/tests`.
//!
//! `oracle talk SEED TURNS` prints both stored sessions and the cells of a conversation as `name = hexadecimal`; payloads fill their cells,
//! so the post-quantum ratchet never finds room and the plain Double Ratchet is seen. `oracle serve` answers one line for each line:
//! `respond IDENTITY PREKEYS CELL` and `resume SESSION` begin a session, `open CELL` and `seal INDEX PAYLOAD` use it; the answer is
//! `payload HEX`, `cell HEX`, `ok` or `refused REASON`.
#![allow(clippy::unwrap_used)]

use data_encoding::HEXLOWER;
use karvon_protocol::body::MailboxDescriptor;
use karvon_protocol::bundle::{Bundle, Prekeys};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::handshake::{initiate, respond};
use karvon_protocol::identity::LocalIdentity;
use karvon_protocol::ids::Tag;
use karvon_protocol::session::{Session, capacity};
use karvon_protocol::tags::{class_of, nth_of_class};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::io::BufRead as _;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["talk", seed, turns] => talk(seed.parse().unwrap(), turns.parse().unwrap()),
        ["serve"] => serve(),
        _ => {
            eprintln!("usage: oracle talk SEED TURNS | oracle serve");
            std::process::exit(2);
        }
    }
}

fn print(name: &str, bytes: &[u8]) {
    println!("{name} = {}", HEXLOWER.encode(bytes));
}

/// A cell that overtakes nothing: it comes when later ones were read.
struct Late {
    to: usize,
    cell: Cell,
    payload: Vec<u8>,
}

fn talk(seed: u64, turns: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let [ali, bob] = [1, 2].map(|n| LocalIdentity::from_stretched(&[n; 16], &[n; 32], &mut rng));
    let (bundle, prekeys) = Bundle::make(&bob, &MailboxDescriptor::default(), &mut rng).unwrap();
    let (greeting, a) = initiate(&ali, &bundle, Tag([9; 16]), b"salom", &mut rng).unwrap();
    let (_, b, _) = respond(&bob, &prekeys, &greeting).unwrap();
    print("session a", &a.encode());
    print("session b", &b.encode());
    let (mut sides, names) = ([a, b], ["a", "b"]);
    let (mut next, mut late) = ([0, 0], Vec::new());
    for turn in 0..turns {
        // The initiator speaks first, because the other side's chain begins with an answer.
        let from = if turn == 0 { 0 } else { (rng.next_u32() % 2) as usize };
        for _ in 0..=rng.next_u32() % 3 {
            let mut payload = vec![0; capacity(Class::S)];
            rng.fill_bytes(&mut payload);
            let index = nth_of_class(Class::S, next[from]);
            next[from] += 1;
            let cell = sides[from].seal(Class::S, index, &payload, &mut rng).unwrap();
            print(&format!("own key of {}", names[from]), &sides[from].encode()[178..210]);
            print(&format!("cell of {}", names[from]), cell.bytes());
            let to = 1 - from;
            match rng.next_u32() % 8 {
                0 => print("lost", &payload),
                1 | 2 => {
                    print("late", &payload);
                    late.push(Late { to, cell, payload });
                }
                _ => {
                    assert_eq!(*sides[to].open(&cell).unwrap(), payload);
                    print("payload", &payload);
                }
            }
        }
        if !late.is_empty() && rng.next_u32() % 2 == 0 {
            let came: Late = late.swap_remove(rng.next_u32() as usize % late.len());
            assert_eq!(*sides[came.to].open(&came.cell).unwrap(), came.payload);
            print(&format!("late cell of {}", names[1 - came.to]), came.cell.bytes());
            print("payload", &came.payload);
        }
    }
    print("last session a", &sides[0].encode());
    print("last session b", &sides[1].encode());
}

fn serve() {
    let mut session = None;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let hex = |word: &str| HEXLOWER.decode(word.as_bytes()).unwrap();
        match words[..] {
            ["respond", identity, prekeys, cell] => {
                let me = LocalIdentity::decode(&hex(identity)).unwrap();
                let prekeys = Prekeys::decode(&hex(prekeys)).unwrap();
                match Cell::parse(hex(cell)).and_then(|cell| respond(&me, &prekeys, &cell)) {
                    Ok((_, fresh, payload)) => {
                        session = Some(fresh);
                        println!("payload {}", HEXLOWER.encode(&payload));
                    }
                    Err(fault) => println!("refused {fault}"),
                }
            }
            ["resume", stored] => {
                session = Some(Session::decode(&hex(stored)).unwrap());
                println!("ok");
            }
            ["open", cell] => {
                let opened = Cell::parse(hex(cell)).and_then(|cell| session.as_mut().unwrap().open(&cell));
                match opened {
                    Ok(payload) => println!("payload {}", HEXLOWER.encode(&payload)),
                    Err(fault) => println!("refused {fault}"),
                }
            }
            ["seal", index, payload] => {
                let index = index.parse().unwrap();
                let session: &mut Session = session.as_mut().unwrap();
                let cell = session.seal(class_of(index), index, &hex(payload), &mut rng).unwrap();
                println!("cell {}", HEXLOWER.encode(cell.bytes()));
            }
            _ => panic!("not understood: {line}"),
        }
    }
}
