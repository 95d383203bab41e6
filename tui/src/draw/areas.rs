//! Where things lie: one pane on narrow terminals, two from 60 columns on, three from 100 on.

use ratatui::layout::Rect;

use crate::app::{Focus, Model, Talk};
use crate::text::{width, wrap};
use karvon_node::api::data::Level;

/// Rows the composer grows to.
const COMPOSER_ROWS_MAX: usize = 8;
/// Columns of `> ` before what is written.
const PROMPT: u16 = 2;

/// The places of a screen; those that are not shown are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Areas {
    /// Title and state.
    pub top: Rect,
    /// Everything between the top line and the bottom lines.
    pub body: Rect,
    /// List of people.
    pub list: Rect,
    /// Rule between the panes.
    pub divider: Rect,
    /// Rule before what is known about the contact.
    pub second_divider: Rect,
    /// What is known about the contact.
    pub details: Rect,
    /// Name and state of the open conversation.
    pub header: Rect,
    /// Why messages are held, if they are.
    pub banner: Rect,
    /// Messages.
    pub messages: Rect,
    /// Rule above the composer.
    pub rule: Rect,
    /// What is being written.
    pub composer: Rect,
    /// A sentence for the person.
    pub notice: Rect,
    /// Line of keys.
    pub keys: Rect,
}

/// The places for the model's own size.
#[must_use]
pub fn areas(model: &Model) -> Areas {
    within(model, Rect::new(0, 0, model.size.0, model.size.1))
}

/// The places within an area.
#[must_use]
pub fn within(model: &Model, whole: Rect) -> Areas {
    let notice_rows = model.notice.as_deref().map_or(0, |notice| rows_of(notice, whole.width, 3));
    let mut rest = whole;
    let top = take_top(&mut rest, 1);
    let keys = take_bottom(&mut rest, 1);
    let notice = take_bottom(&mut rest, notice_rows);
    let mut out = Areas { top, body: rest, notice, keys, ..Areas::default() };
    let mut chat = rest;
    if whole.width >= crate::app::TWO_PANES {
        let columns = (rest.width / 3).clamp(20, 32);
        out.list = Rect { width: columns, ..rest };
        out.divider = Rect { x: rest.x + columns, width: 1, ..rest };
        chat = Rect { x: rest.x + columns + 1, width: rest.width.saturating_sub(columns + 1), ..rest };
        if whole.width >= crate::app::THREE_PANES && model.chat.is_some() {
            let aside = (rest.width / 4).clamp(24, 36);
            let x = rest.x + rest.width - aside;
            out.second_divider = Rect { x: x - 1, width: 1, ..rest };
            out.details = Rect { x, width: aside, ..rest };
            chat.width = chat.width.saturating_sub(aside + 1);
        }
    } else if model.focus == Focus::List || model.chat.is_none() {
        out.list = rest;
        return out;
    }
    let Some(open) = &model.chat else {
        out.messages = chat;
        return out;
    };
    out.header = take_top(&mut chat, 1);
    if let Some(reason) = held_reason(model, open.talk) {
        let rows = rows_of(&reason, chat.width, 6);
        out.banner = take_top(&mut chat, rows);
    }
    let written = open.composer.rows(composer_cells(Rect { width: chat.width, ..Rect::default() })).len();
    let most = (usize::from(chat.height) / 2).clamp(1, COMPOSER_ROWS_MAX);
    let rows = if model.read_only(open.talk).is_some() { 0 } else { written.clamp(1, most) };
    out.composer = take_bottom(&mut chat, u16::try_from(rows).unwrap_or(1));
    out.rule = take_bottom(&mut chat, 1);
    out.messages = chat;
    out
}

/// Columns the composer has for text: the prompt and one place for the cursor are left out.
#[must_use]
pub fn composer_cells(composer: Rect) -> usize {
    usize::from(composer.width.saturating_sub(PROMPT + 1)).max(1)
}

/// Why messages of this conversation are held, or what to beware of, as a sentence.
#[must_use]
pub fn held_reason(model: &Model, talk: Talk) -> Option<String> {
    reason_of(model, talk).or_else(|| data_waits(model).filter(|_| model.data_spent()))
}

/// What waits for more data on this network, as a sentence.
#[must_use]
pub fn data_waits(model: &Model) -> Option<String> {
    let used = model.status.as_ref()?.data.as_ref()?;
    let key = match used.level {
        Level::Free => return None,
        Level::Saving => "data-saving",
        Level::Texts => "data-texts",
        Level::Spent => {
            let time = model.zone.clock(&used.resets_at);
            let sentence = model.texts.with("data-spent", &[("time", time.into_owned().into())]);
            return Some(format!("! {}", crate::text::one_line(&sentence)));
        }
    };
    Some(warning(model, key))
}

fn reason_of(model: &Model, talk: Talk) -> Option<String> {
    let contact = match talk {
        Talk::Person(contact) => contact,
        Talk::Group(number) => {
            let deaf = model.group(number).is_some_and(|group| group.deaf);
            return deaf.then(|| warning(model, "group-deaf"));
        }
        Talk::Channel(number) => {
            let forked = model.channel(number).is_some_and(|channel| channel.forked);
            return forked.then(|| warning(model, "channel-forked"));
        }
    };
    let known = model.contact(contact)?;
    if known.keys_changed {
        let name = model.contact_name(contact);
        let sentence = model.texts.with("keys-changed", &[("name", name.into())]);
        return Some(format!("! {}", crate::text::one_line(&sentence)));
    }
    match &known.meeting {
        karvon_node::api::Meeting::Failed(code) => {
            Some(format!("! {}", crate::text::one_line(&model.texts.error(code))))
        }
        _ => None,
    }
}

fn warning(model: &Model, key: &str) -> String {
    format!("! {}", crate::text::one_line(&model.texts.get(key)))
}

fn rows_of(sentence: &str, columns: u16, most: usize) -> u16 {
    let rows = wrap::wrapped(&crate::text::one_line(sentence), usize::from(columns)).len();
    if width::width(sentence) == 0 { 0 } else { u16::try_from(rows.min(most)).unwrap_or(0) }
}

fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let taken = Rect { height: rows, ..*rest };
    rest.y += rows;
    rest.height -= rows;
    taken
}

fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.y + rest.height, height: rows, ..*rest }
}
