//! The tags registered in one mailbox: in memory while it is used, on disk in pages of a few hundred.

use super::cx::Cx;
use super::limits::TAGS_PER_PAGE;
use crate::core::{Key, Op, Range, Space, Value};
use crate::ids::{MailboxId, TagPrefix};
use crate::limits::MAILBOX_TAGS_MAX;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct TagPages {
    pages: BTreeMap<u64, Vec<(u8, TagPrefix)>>,
    /// Size class and page of each tag.
    place: BTreeMap<TagPrefix, (u8, u64)>,
    /// Pages with room.
    roomy: BTreeSet<u64>,
    /// Pages to be written.
    touched: BTreeSet<u64>,
}

/// All pages of a mailbox. They are filled before a new one is begun, so there are never more than the largest number needs.
pub(super) const fn range(mailbox: MailboxId) -> Range {
    Range::Group {
        space: Space::RelayTags,
        group: mailbox.0,
        from: 0,
        to: u64::MAX,
        limit: 2 * MAILBOX_TAGS_MAX / TAGS_PER_PAGE,
        newest: false,
    }
}

impl TagPages {
    /// Reads pages: `class 1 | prefix 8` each tag.
    pub(super) fn restore(rows: &[(Key, Value)]) -> Self {
        let mut out = Self::default();
        for (key, value) in rows {
            let (entries, _) = value.as_chunks::<9>();
            let page: Vec<_> =
                entries.iter().map(|[class, prefix @ ..]| (*class, TagPrefix(*prefix))).collect();
            for (class, prefix) in &page {
                out.place.insert(*prefix, (*class, key.seq));
            }
            if page.len() < TAGS_PER_PAGE {
                out.roomy.insert(key.seq);
            }
            out.pages.insert(key.seq, page);
        }
        out
    }

    pub(super) fn len(&self) -> usize {
        self.place.len()
    }

    /// The size class for which a tag is registered.
    pub(super) fn class(&self, prefix: &TagPrefix) -> Option<u8> {
        self.place.get(prefix).map(|(class, _)| *class)
    }

    /// Registers a tag; one that is registered stays as it is.
    pub(super) fn insert(&mut self, class: u8, prefix: TagPrefix) {
        if self.place.contains_key(&prefix) {
            return;
        }
        let fresh = || self.pages.last_key_value().map_or(0, |(page, _)| page.saturating_add(1));
        let number = self.roomy.first().copied().unwrap_or_else(fresh);
        let page = self.pages.entry(number).or_default();
        page.push((class, prefix));
        if page.len() < TAGS_PER_PAGE {
            self.roomy.insert(number);
        } else {
            self.roomy.remove(&number);
        }
        self.place.insert(prefix, (class, number));
        self.touched.insert(number);
    }

    pub(super) fn remove(&mut self, prefix: &TagPrefix) {
        let Some((_, number)) = self.place.remove(prefix) else { return };
        if let Some(page) = self.pages.get_mut(&number) {
            page.retain(|(_, other)| other != prefix);
            self.roomy.insert(number);
            self.touched.insert(number);
        }
    }

    /// Writes the pages that changed.
    pub(super) fn write(&mut self, mailbox: MailboxId, cx: &mut Cx) {
        for number in core::mem::take(&mut self.touched) {
            let key = Key::of(Space::RelayTags, mailbox.0, number);
            match self.pages.get(&number) {
                Some(page) if !page.is_empty() => {
                    let mut value = Vec::with_capacity(page.len() * 9);
                    for (class, prefix) in page {
                        value.push(*class);
                        value.extend_from_slice(&prefix.0);
                    }
                    cx.put(key, value);
                }
                _ => {
                    self.pages.remove(&number);
                    self.roomy.remove(&number);
                    cx.fx.write(Op::Remove(key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Output;
    use crate::relay::limits::RelayLimits;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    fn written(cx: &mut Cx) -> Vec<Op> {
        match cx.fx.poll() {
            Some(Output::Persist(batch)) => batch.ops,
            _ => Vec::new(),
        }
    }

    #[test]
    fn pages_hold_what_was_registered_and_only_changed_ones_are_written() {
        let mut cx = Cx::new(Box::new(ChaCha20Rng::seed_from_u64(1)), RelayLimits::default());
        let mailbox = MailboxId([1; 16]);
        let mut tags = TagPages::default();
        let prefix = |n: u64| TagPrefix(n.to_be_bytes());
        (0..1_000).for_each(|n| tags.insert((n % 3) as u8, prefix(n)));
        tags.write(mailbox, &mut cx);
        let mut disk = BTreeMap::new();
        for op in written(&mut cx) {
            let Op::Put(key, value) = op else { panic!("only pages are written") };
            assert!(value.len() <= 4_096);
            disk.insert(key.seq, (key, value));
        }
        assert_eq!(disk.len(), 3);
        let rows: Vec<_> = disk.into_values().collect();
        let mut again = TagPages::restore(&rows);
        assert_eq!(again.len(), 1_000);
        assert!((0..1_000).all(|n| again.class(&prefix(n)) == Some((n % 3) as u8)));

        again.insert(0, prefix(7));
        assert_eq!(again.class(&prefix(7)), Some(1), "a tag keeps its class");
        again.write(mailbox, &mut cx);
        assert!(written(&mut cx).is_empty(), "nothing changed");
        again.remove(&prefix(7));
        again.insert(2, prefix(5_000));
        again.write(mailbox, &mut cx);
        assert_eq!(written(&mut cx).len(), 1, "the new tag took the place of the old one");
        (0..448).for_each(|n| again.remove(&prefix(n)));
        again.remove(&prefix(5_000));
        again.write(mailbox, &mut cx);
        assert!(matches!(written(&mut cx)[..], [Op::Remove(_)]), "an empty page is removed");
    }
}
