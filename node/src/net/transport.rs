//! How bytes travel: TCP with Noise and Yamux, or whatever byte streams a simulator hands in, secured in the same way.

use super::NetError;
use super::bounds::Bounds;
use super::counted::Counted;
use super::noted::Noted;
use super::pt::{Programs, PtOptions};
use super::veil::{Common, Veil};
use super::web::{Web, WebOptions};
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::core::{ConnectedPoint, Transport};
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise, tcp, yamux};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A door carries one stream; a second one is refused, a third breaks the connection. Each may pin 256 KiB.
const DOOR_STREAMS_MAX: usize = 2;
/// A mesh connection carries a link, gossip, identify, ping, and up to 32 Kademlia requests each way.
const MESH_STREAMS_MAX: usize = 128;

/// A transport whose connections are encrypted, authenticated and multiplexed.
pub(super) type Secured = Boxed<(PeerId, StreamMuxerBox)>;
type Make = Arc<dyn Fn(&Keypair, &Arc<Bounds>) -> Result<Secured, NetError> + Send + Sync>;
type MakeDoor = Arc<dyn Fn(&Keypair, Veil) -> Result<Secured, NetError> + Send + Sync>;

/// Makes the transports of the door swarm and the mesh swarm; a swarm that is rebuilt gets a new one.
#[derive(Clone)]
pub struct Transports {
    pub(super) door: MakeDoor,
    pub(super) mesh: Make,
    web: WebOptions,
    pt: PtOptions,
    /// Whether these are TCP itself.
    tcp: bool,
}

impl Transports {
    /// TCP without delay.
    #[must_use]
    pub fn tcp() -> Self {
        let make = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        Self { tcp: true, ..Self::over(make, make) }
    }

    /// Plain byte streams made by `door` and `mesh`; Noise and Yamux are put on them here.
    #[must_use]
    pub fn over<D, M>(
        door: impl Fn() -> D + Send + Sync + 'static,
        mesh: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self
    where
        D: Transport + Send + Unpin + 'static,
        D::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        D::Error: Send + Sync,
        D::Dial: Send,
        D::ListenerUpgrade: Send,
        M: Transport + Send + Unpin + 'static,
        M::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        M::Error: Send + Sync,
        M::Dial: Send,
        M::ListenerUpgrade: Send,
    {
        Self {
            door: Arc::new(move |key, veil| {
                let (bounds, common) = (veil.bounds(), veil.common().clone());
                let plain = counted(Noted::new(door(), common), bounds.clone());
                // Web addresses first: the others would take what they begin with. Their bytes are counted under TLS.
                let programs = counted(veil.behind_programs(), bounds.clone());
                secure(programs.or_transport(veil.or_transport(plain)), key, &bounds, DOOR_STREAMS_MAX)
            }),
            mesh: Arc::new(move |key, bounds| {
                secure(counted(mesh(), bounds.clone()), key, bounds, MESH_STREAMS_MAX)
            }),
            web: WebOptions::default(),
            pt: PtOptions::default(),
            tcp: false,
        }
    }

    /// The same, with web doors set up as `options` say.
    #[must_use]
    pub fn with_web(self, options: WebOptions) -> Self {
        Self { web: options, ..self }
    }

    /// The same, with programs of pluggable transports found and started as `options` say.
    #[must_use]
    pub fn with_pt(self, options: PtOptions) -> Self {
        Self { pt: options, ..self }
    }

    /// Whether addresses are those of the system's network.
    pub(super) const fn are_tcp(&self) -> bool {
        self.tcp
    }

    /// What the web doors of one network share.
    pub(super) fn web(&self) -> Arc<Web> {
        Arc::new(Web::new(self.web.clone(), Programs::new(self.pt.clone())))
    }

    /// The door swarm's transport.
    pub(super) fn make_door(
        &self,
        key: &Keypair,
        common: &Common,
        web: &Arc<Web>,
    ) -> Result<Secured, NetError> {
        (self.door)(key, Veil::new(common.clone(), web.clone()))
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transports(..)")
    }
}

/// `raw` with every byte counted and bounded.
fn counted<T>(
    raw: T,
    bounds: Arc<Bounds>,
) -> impl Transport<Output = Counted<T::Output>, Error = T::Error, Dial = impl Send, ListenerUpgrade = impl Send>
+ Send
+ Unpin
where
    T: Transport + Send + Unpin + 'static,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    raw.map(move |stream, point| {
        let handshake = match &point {
            ConnectedPoint::Listener { local_addr, send_back_addr } => {
                bounds.handshakes().take(local_addr, send_back_addr)
            }
            ConnectedPoint::Dialer { .. } => None,
        };
        Counted::new(stream, bounds, handshake)
    })
}

fn secure<T>(raw: T, key: &Keypair, bounds: &Arc<Bounds>, streams_max: usize) -> Result<Secured, NetError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(streams_max);
    let security = noise::Config::new(key).map_err(|_| NetError::Key)?;
    // Connecting and both handshakes together; a slow 2G link needs several seconds for them.
    let patience = Duration::from_millis(bounds.limits().handshake_ms);
    Ok(raw.upgrade(Version::V1).authenticate(security).multiplex(muxer).timeout(patience).boxed())
}
