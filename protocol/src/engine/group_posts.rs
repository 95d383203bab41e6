//! Own messages to a group: signed, kept, and on their way to every member.

use super::cx::{Cx, Signal};
use super::expiry::EXPIRY_MAX_S;
use super::group_state::{Group, OutPost};
use super::groups::RECEIPTS_MAX;
use super::safety::TIMER_MIN_S;
use crate::body::{Body, Content};
use crate::core::{Key, Op, Space};
use crate::error::ErrorKind;
use crate::group::post::Post;
use crate::group::wire::Letter;
use crate::limits::TEXT_BYTES_MAX;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

impl Group {
    /// Queues a text for all members, or a text that answers a message; `forwarded` if it was first said elsewhere.
    pub(crate) fn say(
        &mut self,
        content: Content,
        forwarded: bool,
        cx: &mut Cx<'_>,
    ) -> Result<Post, ErrorKind> {
        if let Content::Text(text) | Content::Reply { text, .. } = &content {
            match text.len() {
                0 => return Err(ErrorKind::Empty),
                1..=TEXT_BYTES_MAX => {}
                _ => return Err(ErrorKind::TooLong),
            }
        }
        let timer_s = self.log.as_ref().map_or(0, |log| u64::from(log.roster().timer_s));
        // Another program may have set a shorter one.
        let expires_s = if timer_s == 0 { 0 } else { timer_s.clamp(TIMER_MIN_S, EXPIRY_MAX_S) };
        self.post(&Body { forwarded, expires_s, ..Body::new(cx.now.wall_ms, content) }, cx)
    }

    /// Queues a body for all members. One that shows nothing takes no place in the conversation.
    pub(crate) fn post(&mut self, body: &Body, cx: &mut Cx<'_>) -> Result<Post, ErrorKind> {
        let view = self.log_mut()?.heads();
        let seq = self.next_seq;
        let post =
            Post { group: self.group, author: self.own.id, seq, base: self.base, view, body: body.encode() };
        let signed = post.sign(&self.own.key);
        self.next_seq += 1;
        let place = body.content.is_shown().then_some(self.position);
        if let Some(position) = place {
            self.position += 1;
            self.seen = position;
            self.last_shown = position;
        }
        let members = self.log_mut()?.roster().members().count().saturating_sub(1);
        // In large groups nobody tells whether it was delivered.
        let of = if members < RECEIPTS_MAX { members as u16 } else { 0 };
        self.keep_post(&post, &signed, (place, body.sent_ms), of, cx);
        if let Some(place) = place {
            self.expire((place, post.author, seq), body.expires_s, cx);
        }
        // To few people who all share sessions it goes as to each alone; nobody can tell that there is a group.
        let by_shard = self.by_shard();
        let direct = if by_shard { Vec::new() } else { self.reachable() };
        let roster = self.log_mut()?.roster();
        let others = roster
            .members()
            .map(|(id, _)| *id)
            .filter(|id| *id != post.author && !direct.iter().any(|(known, _)| known == id))
            .collect();
        // Of what shows nothing nobody asks who has it.
        let has = place.map(|_| BTreeMap::new());
        self.out.insert(seq, OutPost { direct: Vec::new(), others, stored: false, has });
        if by_shard {
            self.unsent.push_back((seq, signed.clone()));
        }
        let reached: Vec<_> = direct.iter().map(|(member, _)| *member).collect();
        for (member, contact) in direct {
            let letter =
                Letter::Posts { group: self.group, reached: reached.clone(), posts: vec![signed.clone()] };
            cx.signal(Signal::Post(contact, letter, Some((self.number, seq, member))));
        }
        cx.write(self.save_out(seq));
        cx.write(self.save());
        Ok(post)
    }

    /// Writes a message, `at 8 | place 8 | members 2 | signed`, and its place, `author 16 | seq 8 | at 8 | sent 8`, if it has one.
    pub(crate) fn keep_post(
        &self,
        post: &Post,
        signed: &[u8],
        (place, sent_ms): (Option<u64>, u64),
        of: u16,
        cx: &mut Cx<'_>,
    ) {
        let at = cx.now.wall_ms.to_be_bytes();
        let mut row = Zeroizing::new(Vec::with_capacity(18 + signed.len()));
        row.extend_from_slice(&at);
        row.extend_from_slice(&place.unwrap_or(0).to_be_bytes());
        row.extend_from_slice(&of.to_be_bytes());
        row.extend_from_slice(signed);
        cx.write(Op::Put(Key::of(Space::GroupPost, self.number.records_of(&post.author), post.seq), row));
        if let Some(position) = place {
            let mut line = Zeroizing::new(post.author.0.to_vec());
            line.extend_from_slice(&post.seq.to_be_bytes());
            // Kept here as well: they stay when nothing else is left of a message.
            line.extend_from_slice(&at);
            line.extend_from_slice(&sent_ms.to_be_bytes());
            cx.write(Op::Put(Key::of(Space::GroupLine, self.number.records(), position), line));
        }
    }
}
