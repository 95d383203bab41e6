//! A leaf made of the protocol's parts alone: enters a relay by a door and speaks to its mailboxes, politely or not.

use ed25519_dalek::{Signer as _, SigningKey};
use karvon_node::deps::Deps;
use karvon_node::net::{NetCommand, NetEvent, NetHandle, start_leaf};
use karvon_protocol::cell::{Cell, Class};
use karvon_protocol::core::{DoorId, LinkId, LinkInfo, Target};
use karvon_protocol::descriptor::{Descriptor, Door};
use karvon_protocol::ids::{MailboxId, Tag, TagPrefix};
use karvon_protocol::link::{Frame, Hello, Kind, open_payload};
use karvon_protocol::rpc::{Push, Refusal, Reply, Request};
use karvon_protocol::tunnel::{Initiator, Tunnel};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::VecDeque;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What went wrong for a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The relay could not be reached or did not let this leaf in.
    NotLetIn(String),
    /// The link ended.
    LinkEnded(String),
    /// The tunnel was closed with this code.
    Closed(u8),
    /// No answer in time.
    Silence,
}

/// A leaf with one link and at most one tunnel.
pub struct Visitor {
    net: NetHandle,
    link: LinkId,
    info: LinkInfo,
    door: Door,
    onion: [u8; 32],
    rng: ChaCha20Rng,
    tunnel: Option<(u32, Tunnel)>,
    last_tunnel: u32,
    requests: u32,
    /// Answers that were read while another one was waited for.
    early: VecDeque<(u32, Reply)>,
}

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Visitor({:?})", self.link)
    }
}

impl Visitor {
    /// Enters by a door line. `number` makes this visitor another one than others.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn enter(door: &str, number: u64) -> Result<Self, Trouble> {
        let mut visitor = Self::knock(door, number).await?;
        let LinkInfo::Door { local_key, remote_key, .. } = visitor.info else {
            return Err(Trouble::NotLetIn("no door".to_owned()));
        };
        let hello = Hello::new(&visitor.door, &local_key, &remote_key).encode();
        visitor.send(Frame::new(Kind::Hello, 0, hello));
        let frame = visitor.frame().await.map_err(|trouble| Trouble::NotLetIn(format!("{trouble:?}")))?;
        let descriptor = Descriptor::verify(&frame.payload)
            .map_err(|fault| Trouble::NotLetIn(format!("its descriptor: {fault}")))?;
        visitor.onion = descriptor.onion_key();
        Ok(visitor)
    }

    /// Links to the relay and says nothing.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn knock(door: &str, number: u64) -> Result<Self, Trouble> {
        let wrong = |text: String| Trouble::NotLetIn(text);
        let door = Door::from_text(door).map_err(|error| wrong(format!("{error:?}")))?;
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut seed[8..]).map_err(|error| wrong(error.to_string()))?;
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let rng = ChaCha20Rng::from_seed(*seed);
        let mut net = start_leaf(&Deps::system(seed)).map_err(|error| wrong(error.to_string()))?;
        let target = Target::Door {
            door: DoorId(1),
            relay: door.relay,
            addr: door.addr.clone(),
            key: door.slot_key(),
            pt: door.pt.clone(),
        };
        net.submit(NetCommand::Connect(target));
        match tokio::time::timeout(PATIENCE, net.recv()).await {
            Ok(Some(NetEvent::LinkUp(link, info))) => Ok(Self {
                net,
                link,
                info,
                door,
                onion: [0; 32],
                rng,
                tunnel: None,
                last_tunnel: 0,
                requests: 0,
                early: VecDeque::new(),
            }),
            Ok(other) => Err(wrong(format!("{other:?}"))),
            Err(_) => Err(Trouble::Silence),
        }
    }

    /// Sends any frame.
    pub fn send(&mut self, frame: Frame) {
        self.net.submit(NetCommand::Send { link: self.link, frame });
    }

    /// The next frame.
    ///
    /// # Errors
    /// [`Trouble::LinkEnded`] or [`Trouble::Silence`].
    pub async fn frame(&mut self) -> Result<Frame, Trouble> {
        loop {
            match tokio::time::timeout(PATIENCE, self.net.recv()).await {
                Ok(Some(NetEvent::Frame { frame, .. })) => return Ok(frame),
                Ok(Some(NetEvent::LinkDown(_, reason))) => {
                    return Err(Trouble::LinkEnded(format!("{reason:?}")));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(Trouble::LinkEnded("stopped".to_owned())),
                Err(_) => return Err(Trouble::Silence),
            }
        }
    }

    /// Opens a new tunnel to the relay itself; the one before is forgotten.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open(&mut self) -> Result<(), Trouble> {
        self.last_tunnel += 1;
        let number = self.last_tunnel;
        let relay = self.door.relay;
        let (opening, message) = Initiator::open(relay, &self.onion, &[], &mut self.rng)
            .map_err(|_| Trouble::NotLetIn("the onion key".to_owned()))?;
        self.send(Frame::new(Kind::Open, number, open_payload(relay, &message)));
        loop {
            let frame = self.frame().await?;
            match frame.kind {
                Kind::Opened if frame.tunnel == number => {
                    let (tunnel, _) = opening
                        .finish(&frame.payload)
                        .map_err(|_| Trouble::NotLetIn("the tunnel's handshake".to_owned()))?;
                    self.tunnel = Some((number, tunnel));
                    return Ok(());
                }
                Kind::Close if frame.tunnel == number => {
                    return Err(Trouble::Closed(frame.payload.first().copied().unwrap_or_default()));
                }
                _ => {}
            }
        }
    }

    /// Sends a request in the open tunnel; returns its number.
    ///
    /// # Panics
    /// If no tunnel is open.
    pub fn request(&mut self, request: &Request) -> u32 {
        let frame = self.seal_only(request);
        self.send(frame);
        self.requests
    }

    /// Seals a request without sending it.
    ///
    /// # Panics
    /// If no tunnel is open.
    pub fn seal_only(&mut self, request: &Request) -> Frame {
        self.requests += 1;
        let plain = request.encode(self.requests);
        let (number, tunnel) = self.tunnel.as_mut().expect("an open tunnel");
        let sealed = tunnel.seal(&plain).expect("a tunnel that is not used up");
        Frame::new(Kind::Data, *number, sealed)
    }

    /// The next message of the relay in the open tunnel, with the number of the request.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn next(&mut self) -> Result<(u32, Reply), Trouble> {
        if let Some(early) = self.early.pop_front() {
            return Ok(early);
        }
        self.read().await
    }

    async fn read(&mut self) -> Result<(u32, Reply), Trouble> {
        loop {
            let frame = self.frame().await?;
            let of_tunnel = self.tunnel.as_mut().filter(|(number, _)| *number == frame.tunnel);
            let Some((_, tunnel)) = of_tunnel else { continue };
            match frame.kind {
                Kind::Data => {
                    let plain = tunnel.open(&frame.payload).map_err(|_| Trouble::Closed(4))?;
                    return Reply::decode(&plain).map_err(|_| Trouble::Closed(5));
                }
                Kind::Close => {
                    return Err(Trouble::Closed(frame.payload.first().copied().unwrap_or_default()));
                }
                _ => {}
            }
        }
    }

    /// Sends a request and waits for its answer; what comes meanwhile is kept for [`Visitor::next`].
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn ask(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let number = self.request(request);
        loop {
            let (of, reply) = self.read().await?;
            if of == number && !matches!(reply, Reply::Item { .. }) {
                return Ok(reply);
            }
            self.early.push_back((of, reply));
        }
    }

    /// Opens the mailbox of `owner`.
    ///
    /// # Errors
    /// [`Trouble`].
    ///
    /// # Panics
    /// If no tunnel is open.
    pub async fn attach(&mut self, owner: &SigningKey, push: Push) -> Result<Reply, Trouble> {
        let hash = self.tunnel.as_ref().expect("an open tunnel").1.hash();
        let signature = owner.sign(&[&b"karvon/attach"[..], &hash].concat()).to_bytes();
        self.ask(&Request::Attach { key: owner.verifying_key().to_bytes(), signature, push }).await
    }

    /// Enters, opens a tunnel and a mailbox, and registers S tags `0..tags` in it.
    ///
    /// # Errors
    /// [`Trouble`], also if the relay refuses.
    pub async fn with_mailbox(door: &str, number: u64, tags: u64) -> Result<(Self, SigningKey), Trouble> {
        let owner = owner(number);
        let mut visitor = Self::enter(door, number).await?;
        visitor.open().await?;
        let refused = |reply: Reply| Trouble::NotLetIn(format!("{reply:?}"));
        match visitor.attach(&owner, Push::None).await? {
            Reply::Attached { .. } => {}
            other => return Err(refused(other)),
        }
        let all: Vec<u64> = (0..tags).collect();
        for some in all.chunks(4_000) {
            let tags = some.iter().map(|tag| (Class::S as u8, prefix(*tag))).collect();
            match visitor.ask(&Request::Register(tags)).await? {
                Reply::Done => {}
                other => return Err(refused(other)),
            }
        }
        Ok((visitor, owner))
    }

    /// Fetches everything in the attached mailbox: tags and hashes of the cells.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn fetch_all(&mut self) -> Result<Vec<(TagPrefix, [u8; 16])>, Trouble> {
        let (mut from, mut out) = (0, Vec::new());
        loop {
            let answer = self.ask(&Request::Fetch { from, bytes_max: 128 << 10, whole: Class::M }).await?;
            for (_, reply) in std::mem::take(&mut self.early) {
                if let Reply::Item { cell, .. } = reply {
                    out.push((cell.tag().prefix(), cell.hash().0));
                }
            }
            match answer {
                Reply::Fetched { next, more } if more => from = next,
                Reply::Fetched { .. } => return Ok(out),
                // Too many read at this moment.
                Reply::Refused(Refusal::Busy) => tokio::time::sleep(Duration::from_millis(20)).await,
                other => return Err(Trouble::NotLetIn(format!("{other:?}"))),
            }
        }
    }

    /// Leaves in order.
    pub async fn leave(self) {
        self.net.close().await;
    }
}

/// The key of mailbox `number`, another one in each process.
#[must_use]
pub fn owner(number: u64) -> SigningKey {
    let mut seed = [0x6b; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed[8..16].copy_from_slice(&u64::from(std::process::id()).to_be_bytes());
    SigningKey::from_bytes(&seed)
}

/// The mailbox of an owner.
#[must_use]
pub fn mailbox_of(owner: &SigningKey) -> MailboxId {
    MailboxId::of(&owner.verifying_key().to_bytes())
}

/// Tag `number`.
#[must_use]
pub fn tag(number: u64) -> Tag {
    let mut tag = [0x5a; 16];
    tag[..8].copy_from_slice(&number.to_be_bytes());
    Tag(tag)
}

/// What is registered of tag `number`.
#[must_use]
pub fn prefix(number: u64) -> TagPrefix {
    tag(number).prefix()
}

/// A cell under tag `number` with other content for each `filling`.
///
/// # Panics
/// Never: its head is a valid one.
#[must_use]
pub fn cell(class: Class, number: u64, filling: u8) -> Cell {
    let mut bytes = vec![filling; class.bytes()];
    let outer = Cell::outer(class, &tag(number), 0);
    bytes[..outer.len()].copy_from_slice(&outer);
    Cell::parse(bytes).expect("a well-formed cell")
}

/// A deposit of an S cell under tag `number`.
#[must_use]
pub fn deposit(owner: &SigningKey, number: u64, filling: u8) -> Request {
    Request::Deposit { mailbox: mailbox_of(owner), cell: cell(Class::S, number, filling) }
}

/// Whether a relay took a cell.
#[must_use]
pub const fn is_stored(reply: &Reply) -> bool {
    matches!(reply, Reply::Stored { .. })
}

/// Whether a relay refused for want of room.
#[must_use]
pub const fn is_full(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(Refusal::Full))
}
