//! Search through conversations on every kind of store.
#![allow(clippy::unwrap_used)]

mod store_common;

use karvon_node::store::search::Place as Conversation;
use karvon_protocol::core::Space;
use karvon_protocol::engine::api::ContactId;
use store_common::*;

fn conversation(number: u32, received_below: u64) -> Conversation {
    Conversation { contact: ContactId(number), received_below }
}

fn has(word: &'static str) -> impl Fn(&[u8]) -> bool + Clone + Send + 'static {
    move |body: &[u8]| body.windows(word.len()).any(|part| part == word.as_bytes())
}

#[tokio::test]
async fn a_search_finds_every_shown_message_newest_first_and_says_when_there_are_more() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, history) = place.open();
        let mut ops = Vec::new();
        for seq in 1..=40 {
            ops.push(message(Space::Sent, ContactId(1).group(), seq, 2 * seq));
            ops.push(message(Space::Received, ContactId(1).group(), seq, 2 * seq + 1));
            ops.push(message(Space::Received, ContactId(2).group(), seq, seq));
        }
        store.commit(&[batch(ops)]).unwrap();
        let both = vec![conversation(1, 31), conversation(2, 41)];
        let (found, more) = history.search(both.clone(), 500, has("ed 4")).await.unwrap();
        let seqs = |found: &[(ContactId, karvon_node::store::Entry)], contact| {
            found.iter().filter(|(of, _)| of.0 == contact).map(|(_, entry)| entry.seq).collect::<Vec<_>>()
        };
        assert!(!more);
        assert_eq!(seqs(&found, 1), [4], "40 waits for an earlier message and is not shown");
        assert_eq!(seqs(&found, 2), [40, 4]);
        let (found, more) = history.search(both, 3, has("Sent")).await.unwrap();
        assert!(more);
        assert_eq!(seqs(&found, 1), [40, 39, 38]);
        let (found, more) = history.search(vec![conversation(9, 41)], 3, has("Sent")).await.unwrap();
        assert!(found.is_empty() && !more);
    }
}

#[tokio::test]
async fn a_search_looks_at_each_message_once_however_few_there_are() {
    for place in Place::each(&Clock::at_hour(1)) {
        let (mut store, history) = place.open();
        for seq in 0..9 {
            let all = vec![conversation(1, seq)];
            let (found, more) = history.search(all, 500, |_: &[u8]| true).await.unwrap();
            let seqs: Vec<u64> = found.iter().map(|(_, entry)| entry.seq).collect();
            assert_eq!((seqs, more), ((0..seq).rev().collect(), false));
            let row = message(Space::Received, ContactId(1).group(), seq, seq);
            store.commit(&[batch(vec![row])]).unwrap();
        }
    }
}
