//! The rules, each with a sample that it must refuse.

use super::names::{children, mentions};
use super::tree::{Source, Tree};

/// A rule on the source tree.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it demands.
    pub name: &'static str,
    /// What breaks it: one line each, with path and reason.
    pub check: fn(&Tree) -> Vec<String>,
    /// A small tree that breaks it, to show that it can fail.
    pub bad: &'static [(&'static str, &'static str)],
}

/// All rules.
pub const ALL: &[Rule] = &[
    Rule {
        name: "protocol names no runtime, network, database, file, clock, thread or randomness of its own",
        check: protocol_is_pure,
        bad: &[("protocol/src/x.rs", "//! X.\nuse std::{fs, time::Instant};\n")],
    },
    Rule {
        name: "protocol depends on cryptography and codecs only",
        check: protocol_dependencies,
        bad: &[("protocol/Cargo.toml", "[dependencies]\ntokio.workspace = true\n")],
    },
    Rule {
        // The simulator gives the node another transport, so it speaks libp2p's traits; a hostile relay speaks it as no node does.
        name: "libp2p stays in node/src/net, the simulator and the hostile relay",
        check: |tree| {
            only_in(tree, &["libp2p", "libp2p_stream"], |file| {
                file.path.starts_with("node/src/net")
                    || file.path.starts_with("simulations/")
                    || file.path == "tests/tests/relay_zoo_mesh.rs"
            })
        },
        bad: &[("node/src/driver.rs", "//! X.\nuse libp2p::PeerId;\n")],
    },
    Rule {
        name: "sled stays in node/src/store",
        check: |tree| only_in(tree, &["sled"], |file| file.path.starts_with("node/src/store")),
        bad: &[("node/src/relay.rs", "//! X.\nfn open() { sled::open(\"x\"); }\n")],
    },
    Rule {
        name: "drawing stays in tui",
        check: |tree| {
            only_in(tree, &["ratatui", "crossterm", "fluent_bundle"], |file| file.path.starts_with("tui/"))
        },
        bad: &[("node/src/main.rs", "//! X.\nuse ratatui::Frame;\n")],
    },
    Rule {
        name: "command lines are parsed in tui, in the node's main and in tools",
        check: |tree| {
            only_in(tree, &["clap"], |file| {
                let tool =
                    ["tui/", "simulations/", "tests/"].iter().any(|folder| file.path.starts_with(folder));
                tool || file.within(&["main", "cli", "bin"])
            })
        },
        bad: &[("node/src/config.rs", "//! X.\nuse clap::Parser;\n")],
    },
    Rule {
        name: "tui knows only the node's front",
        check: tui_knows_the_front_only,
        bad: &[("tui/src/app.rs", "//! X.\nuse karvon_node::{api::Event, store::History};\n")],
    },
    Rule {
        name: "every select! is biased",
        check: selects_are_biased,
        bad: &[("node/src/driver.rs", "//! X.\nasync fn f() { tokio::select! { _ = a => {} } }\n")],
    },
    Rule {
        name: "threads, blocking calls and files stay in the modules made for them",
        check: blocking_stays_put,
        bad: &[("node/src/net/mod.rs", "//! X.\nfn f() { std::thread::spawn(|| ()); }\n")],
    },
    Rule {
        name: "what exists on Unix only stands behind a cfg",
        check: unix_behind_cfg,
        bad: &[("node/src/rundir.rs", "//! X.\nuse std::os::unix::fs::PermissionsExt;\n")],
    },
    Rule {
        name: "no marks of unfinished work",
        check: nothing_unfinished,
        bad: &[("tui/src/app.rs", "//! X.\nfn f() { todo!() } // FIXME later\n")],
    },
    Rule {
        name: "each Rust file opens with what it is for",
        check: files_open_with_a_sentence,
        bad: &[("tui/src/app.rs", "use std::fmt;\n")],
    },
    Rule {
        name: "no Rust file is longer than 600 lines",
        check: files_are_short,
        bad: &[("tui/src/app.rs", LONG)],
    },
    Rule {
        name: "each crate forbids unsafe code",
        check: crates_forbid_unsafe,
        bad: &[("node/src/lib.rs", "//! X.\npub mod net;\n")],
    },
    Rule {
        name: "unsafe code stays in three named files",
        check: unsafe_is_named,
        bad: &[("node/src/net/web/tls.rs", "//! X.\nfn f() { unsafe { g() } }\n")],
    },
    Rule {
        name: "no path of anybody's computer",
        check: no_machine_paths,
        bad: &[("README.md", concat!("See /ho", "me/ali/karvon.\n"))],
    },
    Rule {
        name: "README's test command is the one that is run",
        check: readme_commands_are_run,
        bad: &[("README.md", "```sh\ncargo test --all\n```\n"), (".ci/run", "    cargo test --workspace\n")],
    },
    Rule {
        name: "README's first screen fits 40 lines",
        check: first_screen_fits,
        bad: &[("README.md", LONG)],
    },
    Rule {
        name: "documents name only files that exist",
        check: documents_name_what_exists,
        bad: &[("README.md", "See `protocol/src/gone.rs` and [this](NOWHERE.md).\n")],
    },
];

/// More lines than any limit here, for samples.
const LONG: &str = {
    const BYTES: [u8; 700] = [b'\n'; 700];
    match core::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

fn breach(file: &Source, why: impl core::fmt::Display) -> String {
    format!("{}: {why}", file.path)
}

/// The product files outside `allowed` that name one of `names`.
fn only_in(tree: &Tree, names: &[&str], allowed: fn(&Source) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    for file in tree.rust().filter(|file| !allowed(file)) {
        out.extend(
            names
                .iter()
                .filter(|name| mentions(&file.product, name))
                .map(|name| breach(file, format!("names {name}"))),
        );
    }
    out
}

fn protocol_is_pure(tree: &Tree) -> Vec<String> {
    const FOREIGN: &[&str] = &[
        "tokio",
        "futures",
        "libp2p",
        "sled",
        "std::fs",
        "std::thread",
        "std::process",
        "std::env",
        "std::os",
        "std::net::TcpStream",
        "std::net::TcpListener",
        "std::net::UdpSocket",
        "std::net::ToSocketAddrs",
        "Instant",
        "SystemTime",
        "std::time::Instant",
        "std::time::SystemTime",
        "getrandom",
        "OsRng",
        "SysRng",
        "ThreadRng",
        "thread_rng",
        "rand",
    ];
    let mut out = Vec::new();
    for file in tree.product(&["protocol/src/"]) {
        out.extend(
            FOREIGN
                .iter()
                .filter(|name| mentions(&file.product, name))
                .map(|name| breach(file, format!("names {name}"))),
        );
    }
    out
}

fn protocol_dependencies(tree: &Tree) -> Vec<String> {
    const ALLOWED: &[&str] = &[
        "x25519-dalek",
        "ed25519-dalek",
        "chacha20poly1305",
        "hkdf",
        "hmac",
        "sha2",
        "ml-kem",
        "blake3",
        "argon2",
        "snow",
        "subtle",
        "zeroize",
        "rand_core",
        "minicbor",
        "data-encoding",
        "thiserror",
    ];
    let Some(file) = tree.file("protocol/Cargo.toml") else { return Vec::new() };
    let lines = file.text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let names = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| {
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        (!name.is_empty() && !name.starts_with('#')).then_some(name)
    });
    names
        .filter(|name| !ALLOWED.contains(name))
        .map(|name| breach(file, format!("depends on {name}")))
        .collect()
}

fn tui_knows_the_front_only(tree: &Tree) -> Vec<String> {
    const FRONT: &[&str] = &["api", "client", "config", "demo", "host", "leaf", "os", ""];
    let mut out = Vec::new();
    for file in tree.product(&["tui/src/"]) {
        let known = children(&file.product, "karvon_node");
        out.extend(
            known
                .iter()
                .filter(|child| !FRONT.contains(&child.as_str()))
                .map(|child| breach(file, format!("names karvon_node::{child}"))),
        );
        if mentions(&file.product, "karvon_protocol") {
            out.push(breach(file, "names karvon_protocol"));
        }
    }
    out
}

fn selects_are_biased(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    for file in tree.rust().filter(|file| !file.product.is_empty()) {
        for after in file.product.split("select!").skip(1) {
            let body = after.trim_start().trim_start_matches(['{', '(']).trim_start();
            if !body.starts_with("biased;") {
                out.push(breach(file, "has a select! that is not biased"));
            }
        }
    }
    out
}

fn blocking_stays_put(tree: &Tree) -> Vec<String> {
    const PLACES: &[&str] = &["store", "jobs", "api", "keystore", "config", "rundir", "os", "main", "cli"];
    const BLOCKING: &[&str] =
        &["std::fs", "std::thread", "thread::spawn", "thread::Builder", "thread::sleep", "tokio::fs"];
    let mut out = Vec::new();
    for file in tree.product(&["node/src/", "tui/src/"]).filter(|file| !file.within(PLACES)) {
        out.extend(
            BLOCKING
                .iter()
                .filter(|name| mentions(&file.product, name))
                .map(|name| breach(file, format!("names {name}"))),
        );
        if file.product.contains("spawn_blocking") || file.product.contains("block_in_place") {
            out.push(breach(file, "blocks a worker"));
        }
    }
    out
}

fn unix_behind_cfg(tree: &Tree) -> Vec<String> {
    const UNIX: &[&str] = &[
        "std::os::unix",
        "std::os::fd",
        "tokio::net::UnixListener",
        "tokio::net::UnixStream",
        "tokio::signal::unix",
        "rustix",
        "PermissionsExt",
        "OpenOptionsExt",
    ];
    let gated = |code: &str| {
        code.contains("cfg(unix") || code.contains("cfg(any(unix") || code.contains("cfg(target_os")
    };
    // A crate may be for Unix as a whole: empty elsewhere, or refusing to build there.
    let whole: Vec<&str> = tree
        .rust()
        .filter(|file| {
            let code = &file.layers.code;
            code.contains("#![cfg(unix)]")
                || code.contains("#[cfg(not(unix))]") && code.contains("compile_error!")
        })
        .filter_map(|file| file.path.strip_suffix("lib.rs").or_else(|| file.path.strip_suffix("main.rs")))
        .collect();
    let mut out = Vec::new();
    for file in tree
        .rust()
        .filter(|file| !gated(&file.product) && !whole.iter().any(|root| file.path.starts_with(root)))
    {
        let stem = file
            .path
            .trim_end_matches("/mod.rs")
            .trim_end_matches(".rs")
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let declared = format!("mod {stem};");
        // A whole file may be gated where its module is declared.
        let by_parent = tree.rust().any(|other| {
            other.product.split(&declared).next().is_some_and(|before| {
                before.len() < other.product.len()
                    && gated(before.rsplit([';', '}']).next().unwrap_or_default())
            })
        });
        if !by_parent {
            out.extend(
                UNIX.iter()
                    .filter(|name| mentions(&file.product, name))
                    .map(|name| breach(file, format!("names {name}"))),
            );
        }
    }
    out
}

fn nothing_unfinished(tree: &Tree) -> Vec<String> {
    const MARKS: &[&str] = &["TODO", "FIXME", "XXX"];
    const MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
    let mut out = Vec::new();
    for file in &tree.files {
        let prose = if file.rust() { &file.layers.comments } else { &file.text };
        out.extend(
            MARKS
                .iter()
                .filter(|mark| mentions(prose, mark))
                .map(|mark| breach(file, format!("says {mark}"))),
        );
        let code = &file.layers.code;
        out.extend(
            MACROS
                .iter()
                .filter(|name| code.contains(**name))
                .map(|name| breach(file, format!("calls {name}"))),
        );
    }
    out
}

fn files_open_with_a_sentence(tree: &Tree) -> Vec<String> {
    let opens = |file: &&Source| !file.text.starts_with("//! ");
    tree.rust().filter(opens).map(|file| breach(file, "does not open with //!")).collect()
}

fn files_are_short(tree: &Tree) -> Vec<String> {
    let lines = |file: &Source| file.text.lines().count();
    tree.rust()
        .filter(|file| lines(file) > 600)
        .map(|file| breach(file, format!("has {} lines", lines(file))))
        .collect()
}

fn crates_forbid_unsafe(tree: &Tree) -> Vec<String> {
    /// Roots of crates with a file that needs unsafe code; the workspace denies it everywhere else in them.
    const EXCEPT: &[&str] = &["simulations/src/lib.rs"];
    let root = |path: &str| {
        path.ends_with("/src/lib.rs")
            || path.ends_with("/src/main.rs")
            || path.contains("/src/bin/") && path.ends_with(".rs")
    };
    // A file below src/bin that is a module of a program has no `main`.
    let program = |file: &Source| !file.path.contains("/src/bin/") || file.product.contains("fn main()");
    tree.rust()
        .filter(|file| root(&file.path) && program(file) && !EXCEPT.contains(&file.path.as_str()))
        .filter(|file| !file.layers.code.contains("#![forbid(unsafe_code)]"))
        .filter(|file| file.path != "node/src/lib.rs" || !file.text.contains(UNLESS_BROWSER))
        .map(|file| breach(file, "does not forbid unsafe code"))
        .collect()
}

/// With this feature, two calls of a C library have no safe wrapper.
const UNLESS_BROWSER: &str = "#![cfg_attr(not(feature = \"browser-hello\"), forbid(unsafe_code))]";

fn unsafe_is_named(tree: &Tree) -> Vec<String> {
    const NAMED: &[&str] = &[
        "node/src/net/web/hello/anchors.rs",
        "node/tests/powercut/shim.rs",
        "simulations/src/det/interpose.rs",
    ];
    let word = |code: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|one| one == "unsafe");
    tree.rust()
        .filter(|file| !NAMED.contains(&file.path.as_str()) && word(&file.layers.code))
        .map(|file| breach(file, "has unsafe code"))
        .collect()
}

fn no_machine_paths(tree: &Tree) -> Vec<String> {
    const PLACES: &[&str] =
        &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("C:", "\\Users")];
    let begins = |text: &str, at: usize| {
        // `a/work/b` is a relative path; an absolute one follows a space, quote, bracket or the like.
        !text
            .get(..at)
            .and_then(|before| before.chars().next_back())
            .is_some_and(|c| c.is_alphanumeric() || "._-}~".contains(c))
    };
    let mut out = Vec::new();
    for file in &tree.files {
        for place in PLACES {
            if file.text.match_indices(place).any(|(at, _)| begins(&file.text, at)) {
                out.push(breach(file, format!("names {place}")));
            }
        }
    }
    out
}

/// The `cargo` commands in the fenced blocks of a document, without their comments.
fn cargo_commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines.filter(|line| line.starts_with("cargo ")).collect()
}

fn readme_commands_are_run(tree: &Tree) -> Vec<String> {
    let (Some(readme), Some(run)) = (tree.file("README.md"), tree.file(".ci/run")) else { return Vec::new() };
    let commands = cargo_commands(&readme.text);
    let run: Vec<&str> = run.text.lines().map(str::trim).collect();
    let mut out = Vec::new();
    for expected in ["cargo test --workspace", "cargo run --release --bin karvon -- demo"] {
        if !commands.contains(&expected) {
            out.push(format!("README.md: does not give `{expected}`"));
        }
    }
    // The demonstration needs a person and a terminal; everything else that the README gives is run as it stands there.
    let unattended = commands.iter().filter(|command| !command.ends_with("-- demo"));
    out.extend(
        unattended
            .filter(|command| !run.contains(command))
            .map(|command| format!("README.md: .ci/run does not run `{command}`")),
    );
    out
}

fn first_screen_fits(tree: &Tree) -> Vec<String> {
    let Some(readme) = tree.file("README.md") else { return Vec::new() };
    let lines = readme.text.lines().take_while(|line| !line.starts_with("## ")).count();
    if lines > 40 { vec![breach(readme, format!("first screen has {lines} lines"))] } else { Vec::new() }
}

fn documents_name_what_exists(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let quoted = file.text.split('`').skip(1).step_by(2).filter(|name| {
            let plain = name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
            plain
                && name.contains('/')
                && (name.ends_with(".rs") || name.ends_with(".md") || name.ends_with('/'))
        });
        let linked = file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let linked = linked.filter(|target| !target.contains("://") && !target.starts_with('#'));
        let folder = file.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        for target in quoted.chain(linked) {
            let target = target.split('#').next().unwrap_or_default();
            if !tree.has(target) && !tree.has(&format!("{folder}{target}")) {
                out.push(breach(file, format!("names {target}, which does not exist")));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_refuses_its_bad_sample() {
        for rule in ALL {
            assert!(!(rule.check)(&Tree::of(rule.bad)).is_empty(), "can not fail: {}", rule.name);
        }
    }

    #[test]
    fn good_samples_pass_every_rule() {
        let good = Tree::of(&[
            (
                "protocol/src/x.rs",
                "//! X uses no tokio.\nuse std::net::{IpAddr, SocketAddr};\nconst A: &str = \"std::fs\";\n",
            ),
            ("protocol/src/y.rs", "//! Y.\nfn y() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
            (
                "node/src/net/mod.rs",
                "//! X.\nuse libp2p::PeerId;\nasync fn f() { tokio::select! { biased; _ = a => {} } }\n",
            ),
            ("node/src/os.rs", "//! X.\nuse rustix::process::Pid;\n"),
            ("node/src/lib.rs", "//! X.\n#![forbid(unsafe_code)]\n#[cfg(unix)]\nmod os;\n"),
            (
                "node/src/store/sled.rs",
                "//! X.\nuse std::{fs, thread};\nfn f() { sled::open(1); thread::spawn(g); }\n",
            ),
            ("tui/src/app.rs", "//! X.\nuse karvon_node::api::Event;\n"),
            ("README.md", "See [x](tui/src/app.rs) in `a/work/b`.\n"),
        ]);
        for rule in ALL.iter().filter(|rule| !rule.name.starts_with("README's")) {
            assert_eq!((rule.check)(&good), Vec::<String>::new(), "{}", rule.name);
        }
    }
}
