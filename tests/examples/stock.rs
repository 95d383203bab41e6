//! Two stock libp2p nodes that talk for a moment: what a censor sees of others, as a control for what it must not see of us.
//!
//! `stock listen|dial tcp|quic|websocket|pnet ADDRESS:PORT`: the listener runs until it is ended, the dialler ends once five pings were answered.

use futures::StreamExt as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Transport as _, identity::Keypair, noise, ping, quic, tcp, yamux};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

/// Answers that end the dialler.
const PINGS: usize = 5;

fn transport(name: &str, key: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, Box<dyn Error>> {
    let plain = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let (auth, muxer) = (noise::Config::new(key)?, yamux::Config::default());
    Ok(match name {
        "tcp" => plain().upgrade(Version::V1Lazy).authenticate(auth).multiplex(muxer).boxed(),
        "websocket" => {
            let sockets = libp2p_websocket::Config::new(plain());
            sockets.upgrade(Version::V1Lazy).authenticate(auth).multiplex(muxer).boxed()
        }
        "pnet" => {
            let shared = PnetConfig::new(PreSharedKey::new([7; 32]));
            let sealed = plain().and_then(move |socket, _| shared.handshake(socket));
            sealed.upgrade(Version::V1Lazy).authenticate(auth).multiplex(muxer).boxed()
        }
        "quic" => quic::tokio::Transport::new(quic::Config::new(key))
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed(),
        other => return Err(format!("no such transport: {other}").into()),
    })
}

fn address(name: &str, at: SocketAddr) -> Result<Multiaddr, Box<dyn Error>> {
    let (ip, port) = (at.ip(), at.port());
    let text = match name {
        "quic" => format!("/ip4/{ip}/udp/{port}/quic-v1"),
        "websocket" => format!("/ip4/{ip}/tcp/{port}/ws"),
        _ => format!("/ip4/{ip}/tcp/{port}"),
    };
    Ok(text.parse()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, name, at] = &words[..] else {
        return Err("usage: stock listen|dial tcp|quic|websocket|pnet ADDRESS:PORT".into());
    };
    let key = Keypair::generate_ed25519();
    let behaviour = ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_millis(200)));
    let config =
        libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    let mut swarm = Swarm::new(transport(name, &key)?, behaviour, key.public().to_peer_id(), config);
    let at = address(name, at.parse()?)?;
    if role == "listen" {
        swarm.listen_on(at)?;
    } else {
        swarm.dial(at)?;
    }
    let mut answered = 0;
    while answered < PINGS || role == "listen" {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => println!("{address}"),
            SwarmEvent::Behaviour(ping::Event { result: Ok(_), .. }) => answered += 1,
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
            _ => {}
        }
    }
    println!("{answered} pings were answered");
    Ok(())
}
