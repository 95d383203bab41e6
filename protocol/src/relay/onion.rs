//! This relay's own identity: the static key, the onion keys and their weekly change, the signed descriptor.

use super::api::{RelayEvent, RelaySetup};
use super::cx::Cx;
use super::limits::{DAY_S, WEEK_S};
use crate::cbor::Extra;
use crate::core::{Key, Op, Space, Value};
use crate::descriptor::{Descriptor, Health, flags};
use crate::ids::RelayId;
use crate::tunnel::onion_public;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

const RECORD: Key = Key::single(Space::RelayMeta, 1);
/// Exists while the relay takes nothing new.
const DRAINING: Key = Key::single(Space::RelayMeta, 2);
const VERSION: u8 = 0;

pub(super) struct Onion {
    pub(super) id: RelayId,
    /// Newest first, at most two.
    secrets: Vec<Zeroizing<[u8; 32]>>,
    /// When the newest one was made, Unix seconds.
    made_s: u64,
    /// Sequence number of the last descriptor.
    seq: u64,
    /// The newest signed descriptor whose keys are durable; empty until there is one.
    signed: Vec<u8>,
    key: SigningKey,
    setup: RelaySetup,
    draining: bool,
    /// When this start was, Unix seconds; 0 before.
    up_since_s: u64,
}

impl Onion {
    pub(super) fn new(setup: RelaySetup) -> Self {
        let key = SigningKey::from_bytes(&setup.static_seed);
        let id = RelayId::of(&key.verifying_key().to_bytes());
        let (secrets, signed) = (Vec::new(), Vec::new());
        Self { id, secrets, made_s: 0, seq: 0, signed, key, setup, draining: false, up_since_s: 0 }
    }

    pub(super) const fn setup(&self) -> &RelaySetup {
        &self.setup
    }

    /// What it says it is good for.
    pub(super) const fn flags(&self) -> u64 {
        let all = self.setup.flags;
        if self.draining { all & !(flags::MAILBOX | flags::OPEN) } else { all }
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Begins or ends to drain; false if nothing changes.
    pub(super) fn set_draining(&mut self, on: bool, cx: &mut Cx) -> bool {
        if self.draining == on {
            return false;
        }
        self.draining = on;
        if on {
            cx.put(DRAINING, vec![VERSION]);
        } else {
            cx.fx.write(Op::Remove(DRAINING));
        }
        true
    }

    pub(super) fn secrets(&self) -> &[Zeroizing<[u8; 32]>] {
        &self.secrets
    }

    pub(super) fn signed(&self) -> &[u8] {
        &self.signed
    }

    pub(super) const fn is_published(&self) -> bool {
        !self.signed.is_empty()
    }

    /// The keys of this descriptor are durable: from now on it is shown to others.
    pub(super) fn set_published(&mut self, signed: Vec<u8>) {
        self.signed = signed;
    }

    /// `version 1 | made 8 | descriptor seq 8 | secrets 32 each`.
    pub(super) fn restore(&mut self, rows: &[(Key, Value)]) {
        self.draining = rows.iter().any(|(key, _)| *key == DRAINING);
        let Some((_, value)) = rows.iter().find(|(key, _)| *key == RECORD) else { return };
        let Some(([VERSION], rest)) = value.split_first_chunk() else { return };
        let Some((made, rest)) = rest.split_first_chunk() else { return };
        let Some((seq, rest)) = rest.split_first_chunk() else { return };
        self.made_s = u64::from_be_bytes(*made);
        self.seq = u64::from_be_bytes(*seq);
        let (secrets, _) = rest.as_chunks::<32>();
        self.secrets = secrets.iter().take(2).map(|secret| Zeroizing::new(*secret)).collect();
    }

    /// Changes the onion key if it is a week old or there is none; returns whether it did. The older key goes with the next change.
    pub(super) fn rotate(&mut self, cx: &mut Cx) -> bool {
        let due = self.secrets.is_empty() || cx.now_s() >= self.made_s.saturating_add(WEEK_S);
        if due {
            let mut secret = Zeroizing::new([0; 32]);
            cx.rng.fill_bytes(&mut secret[..]);
            self.secrets.insert(0, secret);
            self.secrets.truncate(2);
            self.made_s = cx.now_s();
        }
        due
    }

    /// Whether the last descriptor is a day old: its health is told anew then.
    pub(super) const fn is_dated(&self, cx: &Cx) -> bool {
        self.seq.saturating_add(DAY_S) <= cx.now_s()
    }

    /// Makes and signs a new descriptor, and tells the shell once the keys in it are durable.
    pub(super) fn announce(&mut self, cx: &mut Cx) {
        self.seq = cx.now_s().max(self.seq + 1);
        if self.up_since_s == 0 {
            self.up_since_s = cx.now_s();
        }
        let descriptor = Descriptor {
            static_key: self.key.verifying_key().to_bytes(),
            mesh_key: self.setup.mesh_key,
            onion_keys: self.secrets.iter().map(|secret| onion_public(secret)).collect(),
            door: self.setup.door.clone(),
            mesh: self.setup.mesh.clone(),
            flags: self.flags(),
            seq: self.seq,
            family: self.setup.family,
            health: Some(Health::rounded(self.up_since_s, cx.filled_percent())),
            extra: Extra::new(),
        };
        let signed = descriptor.sign(&self.key);
        let mut record = vec![VERSION];
        record.extend_from_slice(&self.made_s.to_be_bytes());
        record.extend_from_slice(&self.seq.to_be_bytes());
        self.secrets.iter().for_each(|secret| record.extend_from_slice(&secret[..]));
        cx.put(RECORD, record);
        cx.notify(RelayEvent::OwnDescriptor(descriptor, signed));
    }
}
