//! Time: deadlines of links and waiting tunnels, expiry, and the round of upkeep each minute.

use super::RelayCore;
use super::cx::{Cx, Purpose};
use super::limits::{MAILBOX_IDLE_S, MAILBOX_UNUSED_S, REAPED_PER_SWEEP, SWEEP_MS};
use super::mailboxes::{Mailboxes, record_key};
use super::tag_pages;
use crate::core::{Key, Op, Reason, Value};
use crate::ids::MailboxId;
use crate::link::Kind;

impl RelayCore {
    pub(super) fn tick(&mut self) {
        let now = self.cx.now.mono;
        for link in self.links.overdue(now) {
            self.end_link(link, Reason::Protocol);
        }
        self.forward.tick(&mut self.cx);
        self.tick_dialback();
        if self.sweep_at.is_none_or(|at| at <= now) {
            self.sweep_at = Some(now.after_ms(SWEEP_MS));
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        for link in self.links.sweep(self.cx.now.mono) {
            self.end_link(link, Reason::Lost);
        }
        for slot in self.slots.expired(self.cx.now_s()) {
            self.end_slot(slot);
        }
        self.mailboxes.sweep(&mut self.cx);
        self.mailboxes.find_abandoned(&mut self.cx);
        self.objects.sweep(&mut self.cx);
        self.shards.sweep(&mut self.cx);
        self.compare_regularly();
        self.hand_on();
        self.ask_onward();
        self.grants.sweep(self.cx.now.mono);
        self.knocks.renew(&mut self.cx);
        if self.onion.rotate(&mut self.cx) || self.onion.is_dated(&self.cx) {
            self.onion.announce(&mut self.cx);
        }
        for link in self.links.mesh() {
            self.cx.send(link, Kind::Heartbeat, 0, Vec::new());
        }
    }
}

impl Mailboxes {
    /// Looks for mailboxes that nobody has used for a long time, and loads what is to be removed with them.
    fn find_abandoned(&mut self, cx: &mut Cx) {
        let now_s = cx.now_s();
        let abandoned = self.boxes.iter().filter(|(id, mailbox)| {
            let life = if mailbox.registered { MAILBOX_IDLE_S } else { MAILBOX_UNUSED_S };
            mailbox.is_idle() && !self.is_active(**id) && mailbox.seen_s.saturating_add(life) <= now_s
        });
        let abandoned: Vec<MailboxId> = abandoned.map(|(id, _)| *id).take(REAPED_PER_SWEEP).collect();
        for id in abandoned {
            cx.load(tag_pages::range(id), Purpose::Reap(id));
        }
    }

    /// Removes an abandoned mailbox with its registrations, unless somebody came back meanwhile.
    pub(super) fn reap(&mut self, id: MailboxId, rows: &[(Key, Value)], cx: &mut Cx) {
        if self.boxes.get(&id).is_some_and(|mailbox| mailbox.is_idle()) && !self.is_active(id) {
            self.boxes.remove(&id);
            rows.iter().for_each(|(key, _)| cx.fx.write(Op::Remove(*key)));
            cx.fx.write(Op::Remove(record_key(id)));
        }
    }
}
