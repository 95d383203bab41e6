//! Search through groups and channels on every kind of store: by the newest text, and only what is shown.
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::search_rooms::{Author, Room};
use karvon_protocol::body::{Body, Content};
use karvon_protocol::channel::entry::Entry;
use karvon_protocol::core::{Key, Op, Space};
use karvon_protocol::crypto::LocalSignKey;
use karvon_protocol::engine::channel_api::ChannelNumber;
use karvon_protocol::engine::group_api::GroupNumber;
use karvon_protocol::group::post::{Post, message_id};
use karvon_protocol::ids::{ChannelId, EntryId, GroupId, MemberId, MessageId};
use store_common::*;

const GROUP: GroupId = GroupId([9; 16]);
const NUMBER: GroupNumber = GroupNumber(3);
const ALI: MemberId = MemberId([1; 16]);
const BOB: MemberId = MemberId([2; 16]);

/// The row of a message that came `seq` milliseconds after the start; one that only changes another has no place.
fn said(author: MemberId, seq: u64, content: Content) -> Op {
    let place = match content {
        Content::Edit { .. } | Content::Delete(_) => 0,
        _ => seq,
    };
    let body = Body::new(seq, content).encode();
    let post = Post { group: GROUP, author, seq, base: 1, view: Vec::new(), body };
    let signed = post.sign(&LocalSignKey::from_seed(&[7; 32]));
    let row = [&seq.to_be_bytes()[..], &place.to_be_bytes(), &[0, 0], &signed].concat();
    put(Key::of(Space::GroupPost, NUMBER.records_of(&author), seq), row)
}

fn text(author: MemberId, seq: u64, text: &str) -> Op {
    said(author, seq, Content::Text(text.into()))
}

fn id(author: MemberId, seq: u64) -> MessageId {
    message_id(GROUP, author, seq)
}

fn edit(author: MemberId, seq: u64, of: u64, text: &str) -> Op {
    said(author, seq, Content::Edit { of: id(author, of), text: text.into() })
}

fn room(authors: Vec<Author>) -> Vec<Room> {
    vec![Room { number: NUMBER, group: GROUP, authors }]
}

fn has_word(text: &str) -> bool {
    text.contains("word")
}

#[tokio::test]
async fn groups_are_searched_by_the_newest_text_of_what_is_shown() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, history) = place.open();
        let taken_back = put(Key::of(Space::GroupPost, NUMBER.records_of(&ALI), 4), [0; 18]);
        let ali = vec![
            text(ALI, 1, "a word"),
            text(ALI, 2, "unlike"),
            text(ALI, 3, "a word that goes"),
            taken_back,
            edit(ALI, 5, 2, "first a word"),
            edit(ALI, 6, 3, "changed"),
            edit(ALI, 7, 2, "the newest word"),
            said(ALI, 8, Content::Reply { to: id(BOB, 1), text: "a word again".into() }),
            text(ALI, 9, "a word that was taken back by somebody who was heard late"),
            said(ALI, 10, Content::Delete(id(ALI, 9))),
            said(ALI, 11, Content::Reaction { on: id(BOB, 1), emoji: "word".into() }),
            text(ALI, 12, "a word that waits for an earlier message"),
        ];
        let bob = vec![
            text(BOB, 1, "a word of Bob"),
            text(BOB, 2, "more"),
            edit(BOB, 3, 1, "changed after he was removed"),
            text(BOB, 4, "a word after he was removed"),
        ];
        store.commit(&[batch(ali.into_iter().chain(bob).collect())]).unwrap();
        let ali = Author { member: ALI, shown_below: 12, counts_below: u64::MAX };
        let bob = Author { member: BOB, shown_below: 3, counts_below: 3 };
        let (found, more) = history.search_groups(room(vec![ali, bob]), 50, has_word).await.unwrap();
        let named: Vec<_> = found.iter().map(|(_, line)| (line.author, line.seq)).collect();
        assert_eq!(named, [(ALI, 8), (ALI, 2), (ALI, 1), (BOB, 1)]);
        assert!(!more && found.iter().all(|(number, line)| *number == NUMBER && line.position == line.seq));
        let (found, more) = history.search_groups(room(vec![ali, bob]), 2, has_word).await.unwrap();
        assert_eq!(found.iter().map(|(_, line)| line.seq).collect::<Vec<_>>(), [8, 2]);
        assert!(more);
        let nobody = history.search_groups(room(Vec::new()), 9, has_word).await.unwrap();
        assert!(nobody.0.is_empty() && !nobody.1);
    }
}

#[tokio::test]
async fn channels_are_searched_and_an_entry_is_found_by_its_id() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, history) = place.open();
        let key = LocalSignKey::from_seed(&[8; 32]);
        let entry = |channel: u8, seq: u64, text: &str| {
            let before = EntryId([u8::from(seq > 1); 32]);
            let body = Body::text(seq, text).encode();
            Entry { channel: ChannelId([channel; 16]), seq, before, name: "Jobs".into(), body }.sign(&key)
        };
        let row = |number: u32, seq: u64, text: &str| {
            let value = [&seq.to_be_bytes()[..], &entry(number as u8, seq, text).bytes].concat();
            put(Key::of(Space::ChannelEntry, ChannelNumber(number).records(), seq), value)
        };
        let rows = vec![row(1, 1, "a word"), row(1, 2, "else"), row(2, 3, "a word"), row(3, 4, "a word")];
        store.commit(&[batch(rows)]).unwrap();
        let both = vec![ChannelNumber(1), ChannelNumber(2)];
        let (found, more) = history.search_channels(both.clone(), 9, has_word).await.unwrap();
        let named: Vec<_> = found.iter().map(|(number, _, one)| (number.0, one.entry.seq)).collect();
        assert_eq!(named, [(2, 3), (1, 1)]);
        assert!(!more);
        assert!(history.search_channels(both.clone(), 1, has_word).await.unwrap().1);
        let wanted = entry(1, 2, "else").entry.message_id();
        let found = history.channel_entry(both.clone(), wanted).await.unwrap().unwrap().1;
        assert_eq!((found.entry.channel, found.entry.seq), (ChannelId([1; 16]), 2));
        let elsewhere = entry(3, 4, "a word").entry.message_id();
        assert!(history.channel_entry(both, elsewhere).await.unwrap().is_none());
    }
}
