//! A way to a relay through another address of this machine, which counts every byte that passes and can be slow, or deaf, on purpose.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What a bridge does with what passes.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Passes everything on at once.
    Straight,
    /// Passes the first bytes towards the relay at once, and then one in each span of time.
    Trickle {
        /// Bytes that pass at once: what getting in takes.
        free: usize,
        /// The span of time.
        every: Duration,
    },
    /// Passes the first bytes from the relay, and then reads no more of them.
    Deaf {
        /// Bytes that pass: what getting in takes.
        free: usize,
    },
}

/// Whom the relay sees as the source of a connection: addresses of this machine, one after the other.
#[derive(Debug, Clone)]
pub struct Sources {
    first: u32,
    count: u32,
    next: Arc<AtomicU64>,
}

impl Sources {
    /// `count` addresses beginning with `first`, in steps that put each into another network (/24) as long as there is one.
    #[must_use]
    pub fn new(first: [u8; 4], count: u32) -> Self {
        Self { first: u32::from_be_bytes(first), count: count.max(1), next: Arc::default() }
    }

    /// The next address.
    #[must_use]
    pub fn next(&self) -> Ipv4Addr {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % u64::from(self.count);
        let number = u32::try_from(number).unwrap_or_default();
        // The network comes first: 200 addresses are 200 networks, the next 200 are second ones in them.
        let (network, host) = (number % 200, number / 200);
        Ipv4Addr::from(self.first + (network << 8) + host % 250)
    }
}

/// Connects from an address of this machine (Linux: all of 127.0.0.0/8 is).
///
/// # Errors
/// The system's.
pub async fn connect_from(ip: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(ip.into(), 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What passed over a bridge.
#[derive(Debug, Default)]
pub struct Passed {
    /// Bytes towards the relay.
    pub there: AtomicU64,
    /// Bytes from the relay.
    pub back: AtomicU64,
    /// Connections that were made to the relay.
    pub connections: AtomicU64,
}

impl Passed {
    /// Bytes in both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.there.load(Ordering::SeqCst) + self.back.load(Ordering::SeqCst)
    }
}

/// See the module; gone when dropped.
#[derive(Debug)]
pub struct Bridge {
    addr: SocketAddr,
    passed: Arc<Passed>,
    task: JoinHandle<()>,
}

impl Bridge {
    /// A bridge to the relay at `to`.
    ///
    /// # Errors
    /// The system's.
    pub async fn open(to: SocketAddr, sources: Sources, manner: Manner) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let passed = Arc::new(Passed::default());
        let count = passed.clone();
        let task = tokio::spawn(async move {
            // The connections end with the bridge.
            let mut all = tokio::task::JoinSet::new();
            loop {
                let Ok((near, _)) = listener.accept().await else {
                    // Out of descriptors: later there may be one.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                while all.try_join_next().is_some() {}
                all.spawn(carry(near, sources.next(), to, manner, count.clone()));
            }
        });
        Ok(Self { addr, passed, task })
    }

    /// The door of the relay with this bridge's address in it.
    ///
    /// # Panics
    /// If it is no door.
    #[must_use]
    pub fn door(&self, door: &str) -> String {
        let mut door = karvon_protocol::descriptor::Door::from_text(door).expect("a door line");
        door.addr = karvon_protocol::descriptor::RelayAddr::Ip(self.addr);
        door.to_text().to_string()
    }

    /// What passed so far.
    #[must_use]
    pub fn passed(&self) -> &Passed {
        &self.passed
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, from: Ipv4Addr, to: SocketAddr, manner: Manner, passed: Arc<Passed>) {
    let Ok(far) = connect_from(from, to).await else { return };
    passed.connections.fetch_add(1, Ordering::SeqCst);
    let _ = near.set_nodelay(true);
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let there = async {
        let (mut buffer, mut sent) = (vec![0; 16 << 10], 0_usize);
        loop {
            let Ok(length @ 1..) = near_in.read(&mut buffer).await else { return };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let most = match manner {
                    Manner::Trickle { free, every } if sent >= free => {
                        tokio::time::sleep(every).await;
                        1
                    }
                    Manner::Trickle { free, .. } => free - sent,
                    _ => rest.len(),
                };
                let (now, later) = rest.split_at(most.min(rest.len()));
                if far_out.write_all(now).await.is_err() {
                    return;
                }
                passed.there.fetch_add(now.len() as u64, Ordering::SeqCst);
                sent += now.len();
                rest = later;
            }
        }
    };
    let back = async {
        let (mut buffer, mut got) = (vec![0; 16 << 10], 0_usize);
        loop {
            let most = match manner {
                Manner::Deaf { free } if got >= free => std::future::pending().await,
                Manner::Deaf { free } => free - got,
                _ => buffer.len(),
            };
            let most = most.min(buffer.len());
            let room = buffer.get_mut(..most).unwrap_or_default();
            let Ok(length @ 1..) = far_in.read(room).await else { return };
            passed.back.fetch_add(length as u64, Ordering::SeqCst);
            got += length;
            if near_out.write_all(buffer.get(..length).unwrap_or_default()).await.is_err() {
                return;
            }
        }
    };
    // Either side's end is the end of both.
    tokio::select! {
        biased;
        () = there => {}
        () = back => {}
    }
}
