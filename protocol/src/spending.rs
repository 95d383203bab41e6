//! How many bytes a day a device may use on each network, and what waits when they run short. Pure: bytes, networks and days come from
//! outside.

use crate::crypto::fixed::Reader;
use std::collections::BTreeMap;

/// What a network is known by on this device ([`crate::engine::lan::NetworkId`]).
pub type NetworkId = [u8; 16];

/// A line that is no local network: a telephone's own, most often.
pub const NO_NETWORK: NetworkId = [0; 16];
/// Networks with terms of their own, and networks of one day, at most.
pub const NETWORKS_MAX: usize = 24;
/// Least and greatest daily cap, bytes.
pub const CAP: (u64, u64) = (100_000, 1_000_000_000_000);
/// Hundredths of the cap from which on upkeep, files and channels rest, and receipts wait.
const SAVING_PERCENT: u128 = 80;
const TEXTS_PERCENT: u128 = 95;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// How freely bytes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Plan {
    /// As suits a line whose bytes cost nothing.
    #[default]
    Normal = 0,
    /// Two links at most, and checks less often.
    Low = 1,
}

/// What may still be sent, from all down to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Everything.
    #[default]
    Free,
    /// Texts and receipts; upkeep, files and channels rest.
    Saving,
    /// Texts; receipts wait.
    Texts,
    /// Nothing, and nothing comes: texts are held.
    Spent,
}

/// What holds on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// How freely bytes are used.
    pub plan: Plan,
    /// Bytes a day; `None` counts them only.
    pub cap: Option<u64>,
}

/// Bytes by what they were for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes {
    /// Messages of people, files and groups included.
    pub texts: u64,
    /// Receipts and acknowledgements.
    pub receipts: u64,
    /// Everything else.
    pub rest: u64,
}

impl Bytes {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.texts.saturating_add(self.receipts).saturating_add(self.rest)
    }

    /// Divides `total` bytes of sockets as these bytes of frames are divided, and adds them to `to`.
    fn divide(&self, total: u64, to: &mut Self) {
        let whole = u128::from(self.all().max(1));
        let share = |part: u64| (u128::from(total) * u128::from(part) / whole) as u64;
        let (texts, receipts) = (share(self.texts), share(self.receipts));
        to.texts = to.texts.saturating_add(texts);
        to.receipts = to.receipts.saturating_add(receipts);
        to.rest = to.rest.saturating_add(total.saturating_sub(texts).saturating_sub(receipts));
    }
}

/// What was used on a network in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Came in.
    pub received: Bytes,
    /// Went out.
    pub sent: Bytes,
    /// Allowed beyond the cap, for this day.
    pub more: u64,
}

impl Use {
    /// All bytes, both ways.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.received.all().saturating_add(self.sent.all())
    }
}

/// Terms and use of all networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    common: Terms,
    own: BTreeMap<NetworkId, Terms>,
    /// Days since 1970 (UTC) of what was used.
    day: u64,
    used: BTreeMap<NetworkId, Use>,
    here: NetworkId,
}

impl Book {
    /// The network that bytes are counted for.
    #[must_use]
    pub const fn here(&self) -> NetworkId {
        self.here
    }

    /// The device is on this network now.
    pub const fn move_to(&mut self, network: NetworkId) {
        self.here = network;
    }

    /// What holds here, and whether it holds for this network alone.
    #[must_use]
    pub fn terms(&self) -> (Terms, bool) {
        let own = self.own.get(&self.here);
        (own.copied().unwrap_or(self.common), own.is_some())
    }

    /// What was used here today.
    #[must_use]
    pub fn used(&self) -> Use {
        self.used.get(&self.here).copied().unwrap_or_default()
    }

    /// Bytes that may be used here today, with what was allowed beyond the cap.
    #[must_use]
    pub fn cap_today(&self) -> Option<u64> {
        self.terms().0.cap.map(|cap| cap.saturating_add(self.used().more))
    }

    /// What may still be sent here.
    #[must_use]
    pub fn level(&self) -> Level {
        let Some(cap) = self.cap_today() else { return Level::Free };
        let (used, cap) = (u128::from(self.used().all()) * 100, u128::from(cap));
        match used {
            _ if used >= cap * 100 => Level::Spent,
            _ if used >= cap * TEXTS_PERCENT => Level::Texts,
            _ if used >= cap * SAVING_PERCENT => Level::Saving,
            _ => Level::Free,
        }
    }

    /// Begins the day of `wall_ms` (Unix, UTC) if it is another one.
    pub fn turn(&mut self, wall_ms: u64) {
        let day = wall_ms / DAY_MS;
        if self.day != day {
            self.day = day;
            self.used.clear();
        }
    }

    /// When the next day begins, Unix milliseconds.
    #[must_use]
    pub const fn turns_ms(&self) -> u64 {
        self.day.saturating_add(1).saturating_mul(DAY_MS)
    }

    /// Books bytes of sockets, divided as the bytes of `frames`.
    pub fn count(&mut self, received: u64, sent: u64, frames: (Bytes, Bytes)) {
        if received == 0 && sent == 0 {
            return;
        }
        let used = self.used_mut();
        frames.0.divide(received, &mut used.received);
        frames.1.divide(sent, &mut used.sent);
    }

    /// Allows so many more bytes here today.
    pub fn allow(&mut self, more: u64) {
        let used = self.used_mut();
        used.more = used.more.saturating_add(more).min(CAP.1);
    }

    /// Changes the terms of this network, or those of all.
    pub fn set(&mut self, everywhere: bool, change: impl Fn(&mut Terms)) {
        if everywhere {
            change(&mut self.common);
            self.own.values_mut().for_each(change);
            return;
        }
        let mut terms = self.terms().0;
        change(&mut terms);
        make_room(&mut self.own, &self.here, |_| 0);
        self.own.insert(self.here, terms);
    }

    fn used_mut(&mut self) -> &mut Use {
        make_room(&mut self.used, &self.here, Use::all);
        self.used.entry(self.here).or_default()
    }

    /// `0 | common | here 16 | day 8 | count 1 | { network 16 | terms } … | { network 16 | received 24 | sent 24 | more 8 } …`; terms are
    /// `plan 1 | cap 8`, without a cap the greatest number.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0];
        write_terms(&mut out, self.common);
        out.extend_from_slice(&self.here);
        out.extend_from_slice(&self.day.to_be_bytes());
        out.push(self.own.len() as u8);
        for (network, terms) in &self.own {
            out.extend_from_slice(network);
            write_terms(&mut out, *terms);
        }
        for (network, used) in &self.used {
            out.extend_from_slice(network);
            for bytes in [used.received, used.sent] {
                [bytes.texts, bytes.receipts, bytes.rest]
                    .iter()
                    .for_each(|part| out.extend_from_slice(&part.to_be_bytes()));
            }
            out.extend_from_slice(&used.more.to_be_bytes());
        }
        out
    }

    /// Reads what [`Book::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != 0 {
            return None;
        }
        let mut book = Self { common: read_terms(&mut reader)?, ..Self::default() };
        book.here = *reader.take()?;
        book.day = reader.u64()?;
        for _ in 0..reader.u8()? {
            let network = *reader.take()?;
            book.own.insert(network, read_terms(&mut reader)?);
        }
        while !reader.0.is_empty() {
            let network = *reader.take()?;
            let received = read_bytes(&mut reader)?;
            let used = Use { received, sent: read_bytes(&mut reader)?, more: reader.u64()? };
            book.used.insert(network, used);
        }
        let bounded = book.own.len() <= NETWORKS_MAX && book.used.len() <= NETWORKS_MAX;
        bounded.then_some(book)
    }
}

/// The network that matters least makes room for another one.
fn make_room<T>(held: &mut BTreeMap<NetworkId, T>, coming: &NetworkId, weight: impl Fn(&T) -> u64) {
    if held.len() >= NETWORKS_MAX && !held.contains_key(coming) {
        let least = held.iter().min_by_key(|(_, value)| weight(value)).map(|(network, _)| *network);
        least.map(|network| held.remove(&network));
    }
}

fn write_terms(out: &mut Vec<u8>, terms: Terms) {
    out.push(terms.plan as u8);
    out.extend_from_slice(&terms.cap.unwrap_or(u64::MAX).to_be_bytes());
}

fn read_terms(reader: &mut Reader<'_>) -> Option<Terms> {
    let plan = match reader.u8()? {
        0 => Plan::Normal,
        1 => Plan::Low,
        _ => return None,
    };
    let cap = reader.u64()?;
    Some(Terms { plan, cap: (cap != u64::MAX).then_some(cap) })
}

fn read_bytes(reader: &mut Reader<'_>) -> Option<Bytes> {
    Some(Bytes { texts: reader.u64()?, receipts: reader.u64()?, rest: reader.u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: NetworkId = [1; 16];
    const NOON_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;

    fn capped(cap: u64) -> Book {
        let mut book = Book::default();
        book.turn(NOON_MS);
        book.set(true, |terms| terms.cap = Some(cap));
        book
    }

    #[test]
    fn the_level_follows_what_was_used_and_falls_with_more_or_another_day() {
        let mut book = capped(1_000_000);
        for (bytes, level) in
            [(799_999, Level::Free), (1, Level::Saving), (150_000, Level::Texts), (50_000, Level::Spent)]
        {
            book.count(bytes, 0, Default::default());
            assert_eq!(book.level(), level);
        }
        book.allow(1_000_000);
        assert_eq!((book.level(), book.cap_today()), (Level::Free, Some(2_000_000)));
        book.count(0, 1_000_000, Default::default());
        assert_eq!(book.level(), Level::Spent);
        book.turn(NOON_MS + 1);
        assert_eq!(book.level(), Level::Spent, "it is the same day");
        assert_eq!(book.turns_ms(), NOON_MS + DAY_MS / 2);
        book.turn(book.turns_ms());
        assert_eq!((book.level(), book.cap_today(), book.used().all()), (Level::Free, Some(1_000_000), 0));
    }

    #[test]
    fn each_network_has_its_own_use_and_may_have_its_own_terms() {
        let mut book = capped(1_000_000);
        book.count(2_000_000, 0, Default::default());
        book.move_to(HOME);
        assert_eq!((book.level(), book.used().all()), (Level::Free, 0));
        book.set(false, |terms| terms.cap = None);
        book.set(false, |terms| terms.plan = Plan::Low);
        book.count(5_000_000, 0, Default::default());
        assert_eq!((book.level(), book.terms()), (Level::Free, (Terms { plan: Plan::Low, cap: None }, true)));
        book.move_to(NO_NETWORK);
        assert_eq!((book.level(), book.terms().1), (Level::Spent, false));
        book.set(true, |terms| terms.cap = Some(9_000_000));
        book.move_to(HOME);
        assert_eq!(book.cap_today(), Some(9_000_000), "what is said for all networks holds on all");
    }

    #[test]
    fn bytes_of_sockets_are_divided_as_frames_are() {
        let mut book = capped(1_000);
        let frames = Bytes { texts: 2_144, receipts: 1_072, rest: 1_072 };
        book.count(10_000, 7, (frames, Bytes::default()));
        let used = book.used();
        assert_eq!((used.received.texts, used.received.receipts, used.received.rest), (5_000, 2_500, 2_500));
        assert_eq!((used.sent.rest, used.all()), (7, 10_007), "what no frame explains is the rest");
    }

    #[test]
    fn the_record_comes_back_and_a_bent_one_is_none() {
        let mut book = capped(1_000_000);
        for n in 0..=NETWORKS_MAX as u8 + 3 {
            book.move_to([n; 16]);
            book.set(false, |terms| terms.cap = Some(200_000 + u64::from(n)));
            book.count(u64::from(n) * 1_000, 3, (Bytes { texts: 1, receipts: 1, rest: 1 }, Bytes::default()));
        }
        book.allow(5);
        let bytes = book.encode();
        assert!(bytes.len() <= 4_096, "{}", bytes.len());
        assert_eq!(Book::decode(&bytes).as_ref(), Some(&book));
        assert_eq!((Book::decode(&bytes[..bytes.len() - 1]), Book::decode(&[])), (None, None));
        assert_eq!(Book::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Book::default(), Book::decode(&Book::default().encode()).unwrap());
    }
}
