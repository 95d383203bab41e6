# Short names for what developers do often. `just` lists them.

_default:
    @just --list

# Everything that must hold before a change is kept.
check:
    .ci/run

# Formats all Rust.
fmt:
    cargo fmt --all

# The tests that need Rust and a C compiler only.
test:
    cargo test --workspace

# Relays and a talking contact in one process on loopback.
demo:
    cargo run --release --bin karvon -- demo

# Every figure of RELIABILITY.md and the README, as one JSON object.
bench *args:
    cargo run --release -p karvon-tests --bin karvon-bench -- {{args}}

# The screen on a conversation of 100,000 messages, measured in a pseudo-terminal, as one JSON object.
bench-screen *args:
    cargo run --release -p karvon-tests --bin karvon-tui-bench -- {{args}}

# The pictures of the documents anew, from the real program.
pictures:
    cargo run -p karvon-tests --bin karvon-pictures

# The power cuts, and the kill tests with `rounds` kills of each role, instead of the quick counts.
fire rounds="100": powercuts
    KARVON_FIRE={{rounds}} cargo test --release -p karvon-tests --test kill -- --nocapture --test-threads=1

# 100,000 random interleavings of membership operations, and all of five on two devices.
fire-groups rounds="100000":
    KARVON_FIRE={{rounds}} cargo test --release -p karvon-protocol --test group_fold -- --nocapture

# So many bent inputs for every decoder of the protocol, or for one: `just fire-fuzz 10000000 payload`. Another seed, other inputs.
fire-fuzz executions="1000000" target="" seed="1":
    KARVON_FUZZ={{executions}} KARVON_FUZZ_TARGET={{target}} KARVON_FUZZ_SEED={{seed}} \
        cargo test --workspace --test fuzz -- --nocapture

# Mutation testing: changes so many per cent of the places in the protocol that can be changed, drawn by a seed, and counts what its tests
# notice; needs `cargo install cargo-mutants` and a minute or two for each, some hours for 5 per cent.
mutants percent="5" seed="1":
    protocol/tests/mutants.py {{percent}} {{seed}}

# One decoder under libFuzzer for so many seconds, from the inputs that the protocol makes itself; needs nightly Rust and cargo-fuzz.
libfuzzer target seconds="600":
    KARVON_FUZZ_TARGET={{target}} KARVON_FUZZ=1 KARVON_FUZZ_CORPUS={{justfile_directory()}}/target/fuzz-corpus \
        cargo test --workspace --test fuzz
    cd protocol/fuzz && KARVON_FUZZ_TARGET={{target}} cargo +nightly fuzz run --fuzz-dir . decoders \
        {{justfile_directory()}}/target/fuzz-corpus/{{target}} -- -max_total_time={{seconds}} -max_len=70000

# A relay under load: `just fire-relay soak`, `just fire-relay idle --leaves 10000`, `just fire-relay kill --rounds 1000`, `just fire-relay
# flood`, `just fire-relay day`.
fire-relay *args:
    cargo build --release -p karvon-node -p karvon-tests --bin karvon-node --bin karvon-fire
    "${CARGO_TARGET_DIR:-target}/release/karvon-fire" {{args}}

# Through a censor's rules on a quiet machine, with every bar; as root, for network namespaces. Some 50 minutes, 30 of them rest.
fire-reach:
    cargo build --workspace --bins
    python3 tests/censor/censor.py --programs "${CARGO_TARGET_DIR:-target}/debug" --bars --settle 20 --doors 1 freeze
    python3 tests/censor/censor.py --programs "${CARGO_TARGET_DIR:-target}/debug" --bars --settle 20 --doors 3 freeze
    python3 tests/censor/censor.py --programs "${CARGO_TARGET_DIR:-target}/debug" --bars --texts 100 harsh
    python3 tests/censor/censor.py --programs "${CARGO_TARGET_DIR:-target}/debug" --bars --texts 5 allow-list
    python3 tests/censor/censor.py --programs "${CARGO_TARGET_DIR:-target}/debug" --probes 1000 probe
    python3 tests/censor/censor.py --programs "${CARGO_TARGET_DIR:-target}/debug" --bars idle

# How soon a restored device talks with all of its contacts again.
bench-restore contacts="10":
    cargo build --release -p karvon -p karvon-node
    tests/restore/restore.py --programs "${CARGO_TARGET_DIR:-target}/release" --contacts {{contacts}}

# The Debian package and what can be checked of it without installing.
package:
    cargo build --locked --profile dist -p karvon-node
    packaging/check.sh "${CARGO_TARGET_DIR:-target}/dist"

# The program for people as it is packaged: with the hello of a browser. Needs cmake, clang and git besides.
package-karvon:
    packaging/boringssl/prepare.sh cargo build --locked --profile dist -p karvon --features browser-hello

# Mixes of faults in virtual time, one process for each seed; `just swarm 1..1001` is the long form.
swarm seeds="1..51":
    cargo build --release -p karvon-simulations
    target/release/karvon-sim swarm --lines simulations/regressions.txt
    target/release/karvon-sim swarm --seeds {{seeds}}

# Power-cut images of the store: so many in each of four modes, and as many failing calls of each kind.
powercuts count="300":
    KARVON_POWERCUTS={{count}} cargo test --release --workspace --test store_powercut -- --nocapture --test-threads=1

# The standard set behind simulations/RESULTS.md: results and pictures under `dir`, a table on the output.
results dir="target/simulation":
    cargo build --release -p karvon-simulations
    target/release/karvon-sim swarm --lines simulations/standard.txt --keep {{dir}}
    target/release/karvon-sim report {{dir}}/*.jsonl --svg {{dir}}

# Known faults of dependencies; asks the RustSec database over the network.
advisories:
    cargo deny check advisories
