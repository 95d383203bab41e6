//! `relay setup`: a few questions, a configuration with every limit in it, and what to do next.

use super::config_error;
use clap::Args;
use karvon_node::api::ApiError;
use karvon_node::api::error::IO;
use karvon_node::net::router::{self, Outcome, Places};
use karvon_node::relay::config::{FILE, RelayConfig};
use karvon_node::relay::keys::Profile;
use karvon_node::rundir;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Ports that need no special right.
const PORT: u16 = 7_443;
pub(super) const MESH_PORT: u16 = 7_444;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  karvon-node relay setup --data-dir /var/lib/karvon
  karvon-node relay setup --data-dir relay --profile home --announce 203.0.113.9:7443 --yes")]
pub(super) struct Setup {
    /// Where the relay will keep everything; made if missing
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// vps: a rented server. home: a small computer on a home line
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Where people's devices connect [default: this machine's address, port 7443]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Where other relays connect [default: the same address, port 7444]
    #[arg(long, value_name = "IP:PORT")]
    mesh_listen: Option<SocketAddr>,
    /// The address people are told, if a router forwards it to this machine
    #[arg(long, value_name = "IP:PORT")]
    announce: Option<SocketAddr>,
    /// mailbox: listed, keeps messages. bridge: a door for those you invite, in no directory
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Most traffic a month, both directions together, like "500 GiB"
    #[arg(long, value_name = "SIZE")]
    month: Option<String>,
    /// Most traffic a day, like "10 GiB"
    #[arg(long, value_name = "SIZE")]
    day: Option<String>,
    /// Disk space for people's messages, like "10 GiB"
    #[arg(long, value_name = "SIZE")]
    store: Option<String>,
    /// The same 32 hexadecimal digits on all your relays
    #[arg(long, value_name = "HEX")]
    family: Option<String>,
    /// Asks nothing and takes the defaults for what is not given
    #[arg(long)]
    yes: bool,
}

pub(super) fn setup(arguments: Setup) -> Result<ExitCode, ApiError> {
    let data_dir = arguments.data_dir.clone();
    if RelayConfig::exists(&data_dir) {
        let path = data_dir.join(FILE);
        return Err(config_error(format!(
            "{} exists already; `relay limits KEY VALUE` changes one key",
            path.display()
        )));
    }
    let asks = !arguments.yes && std::io::stdin().is_terminal();
    let config = configure(&arguments, asks)?;
    rundir::make_data_dir(&data_dir)
        .map_err(|error| ApiError::new(IO, format!("{}: {error}", data_dir.display())))?;
    config.save(&data_dir).map_err(config_error)?;
    print!("{}", next_steps(&data_dir, &config));
    Ok(ExitCode::SUCCESS)
}

fn configure(arguments: &Setup, asks: bool) -> Result<RelayConfig, ApiError> {
    let answer = |given: &Option<String>, question: &str, default: &str| match given {
        Some(given) => given.clone(),
        None if asks => ask(question, default),
        None => default.to_owned(),
    };
    let word = answer(&arguments.profile, "A rented server (vps) or a computer at home (home)?", "vps");
    let mut config = RelayConfig::of(if word.trim() == "home" { Profile::Home } else { Profile::Vps });
    let mut set = |key: &str, value: &str| config.set(key, value).map_err(config_error);
    set("relay.profile", word.trim())?;
    let own = own_address();
    let listen = match arguments.listen {
        Some(listen) => listen,
        None => {
            let default =
                SocketAddr::new(if is_public(own) { own } else { Ipv4Addr::UNSPECIFIED.into() }, PORT);
            let text = answer(&None, "Where shall people's devices connect?", &default.to_string());
            text.trim().parse().map_err(|_| config_error(format!("{text} is not IP:PORT")))?
        }
    };
    set("relay.listen", &listen.to_string())?;
    let mesh = arguments
        .mesh_listen
        .unwrap_or(SocketAddr::new(listen.ip(), if listen.port() == 0 { 0 } else { MESH_PORT }));
    set("relay.mesh_listen", &mesh.to_string())?;
    let announce = match arguments.announce {
        Some(announce) => Some(announce),
        None if listen.ip().is_unspecified() => {
            let (found, why) =
                if word.trim() == "home" { ask_router(listen.port()) } else { (String::new(), "") };
            if asks && !why.is_empty() {
                println!("The public address is not known{why}, say it here.");
            }
            let question = "This machine has no public address of its own. What is your router's public address and port?";
            let text = answer(&None, question, &found);
            let wrong = || {
                config_error(format!("the public address is not known{why}: give it with --announce IP:PORT"))
            };
            Some(text.trim().parse().map_err(|_| wrong())?)
        }
        None => None,
    };
    if let Some(announce) = announce {
        set("relay.announce", &announce.to_string())?;
        set("relay.mesh_announce", &SocketAddr::new(announce.ip(), mesh.port()).to_string())?;
    }
    let role = answer(
        &arguments.role,
        "Keep mailboxes and be listed (mailbox), or be an unlisted door (bridge)?",
        "mailbox",
    );
    set("relay.role", role.trim())?;
    let month = answer(
        &arguments.month,
        "Most traffic a month?",
        if word.trim() == "home" { "100 GiB" } else { "900 GiB" },
    );
    set("traffic.month", month.trim())?;
    for (key, given) in [
        ("traffic.day", &arguments.day),
        ("store.cap", &arguments.store),
        ("relay.family", &arguments.family),
    ] {
        if let Some(given) = given {
            set(key, given)?;
        }
    }
    Ok(config)
}

/// What the router says is its outside address, with `port`; else why there is none.
fn ask_router(port: u16) -> (String, &'static str) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return (String::new(), "");
    };
    println!("Asking your router for its public address…");
    match runtime.block_on(router::outside(&Places::system())) {
        Outcome::Mapped(outside) => (SocketAddr::new(outside.into(), port).to_string(), ""),
        Outcome::SharedAddress(_) => (
            String::new(),
            ", and your router has none: your provider shares one among many customers, so nobody outside can reach a \
             relay there, but a rented server can. If you know better",
        ),
        Outcome::NoRouter => (String::new(), ", and no router answered"),
        Outcome::Refused(_) => (String::new(), ", and the router does not say it"),
    }
}

fn ask(question: &str, default: &str) -> String {
    print!("{question} [{default}] ");
    // Without an answer the default is taken.
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if read.is_err() || line.trim().is_empty() { default.to_owned() } else { line.trim().to_owned() }
}

/// The address from which this machine would speak to the internet. No packet is sent: the socket is only given a destination.
fn own_address() -> IpAddr {
    let route = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    route().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn is_public(ip: IpAddr) -> bool {
    karvon_node::client::is_public(SocketAddr::new(ip, PORT))
}

/// What to do after a set-up.
fn next_steps(data_dir: &Path, config: &RelayConfig) -> String {
    let dir = data_dir.display();
    let ports: Vec<u16> =
        [config.listen(), config.mesh_listen()].into_iter().flatten().map(|addr| addr.port()).collect();
    let list: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let ufw: Vec<String> = ports.iter().map(|port| format!("  ufw allow {port}/tcp\n")).collect();
    let role = if config.role() == "bridge" { "an unlisted door" } else { "a listed relay with mailboxes" };
    format!(
        "This will be {role}. Every limit stands in {file} with its meaning.

1. Let ports {list} through the firewall, for example:
{ufw}2. Try it:
  karvon-node relay selftest --data-dir {dir}
3. Run it, as a service or in the foreground:
  systemctl enable --now karvon-relay        (the package's unit uses /var/lib/karvon-relay)
  karvon-node relay run --data-dir {dir}
4. Look after it:
  karvon-node relay status --data-dir {dir}
  karvon-node relay door new --data-dir {dir}        (a line for the people you let in)

To join other relays, put a door of one of them into {dir}/peers. One of them then dials this relay back: within a minute
`relay status` says whether it can be reached from outside, and if not, the line for your firewall.
Keep a copy of {dir}/key: without it the relay is another one, and its mailboxes are lost.
",
        file = data_dir.join(FILE).display(),
        ufw = ufw.concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command, Relay};
    use super::*;
    use clap::Parser as _;

    fn parse(line: &str) -> Setup {
        let Command::Relay(relay) = Cli::try_parse_from(line.split('|')).unwrap().command else {
            panic!("not a relay's command: {line}")
        };
        match *relay {
            Relay::Setup(setup) => setup,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_set_up_without_questions_gives_a_configuration_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay");
        let line = format!(
            "karvon-node|relay|setup|--data-dir|{}|--listen|203.0.113.9:443|--month|50 GiB|--yes",
            path.display()
        );
        setup(parse(&line)).unwrap();
        let config = RelayConfig::load(&path).unwrap();
        assert_eq!(config.listen(), Some("203.0.113.9:443".parse().unwrap()));
        assert_eq!(config.mesh_listen(), Some("203.0.113.9:7444".parse().unwrap()));
        assert_eq!(config.budget().month, Some(50 << 30));
        assert!(setup(parse(&line)).is_err(), "a second set-up must not overwrite the first");
        assert!(next_steps(&path, &config).contains("ufw allow 443/tcp"));
    }

    #[test]
    fn behind_a_router_the_public_address_must_be_said() {
        let line = "karvon-node|relay|setup|--data-dir|never-made|--listen|0.0.0.0:7443|--yes";
        let error = configure(&parse(line), false).unwrap_err();
        assert!(error.message.contains("--announce"), "{error}");
        let line = format!("{line}|--announce|203.0.113.9:8443");
        let config = configure(&parse(&line), false).unwrap();
        assert_eq!(config.mesh_announce(), Some("203.0.113.9:7444".parse().unwrap()));
    }
}
