//! Moves through the rows of a conversation, laying out only the messages it passes.

use super::{Model, chat::View};
use crate::draw::{areas, message};

/// Scrolls by rows: negative is up, towards older messages.
pub(super) fn scroll(model: &mut Model, rows: isize) {
    let Some((mut index, mut hidden)) = model.chat.as_ref().and_then(super::Chat::bottom) else { return };
    let height = usize::from(areas::areas(model).messages.height);
    let mut left = rows.unsigned_abs();
    if rows < 0 {
        let room = rows_above(model, index, hidden, height.saturating_add(left)).saturating_sub(height);
        left = left.min(room);
        while left > 0 {
            let rest = message::height(model, index).saturating_sub(hidden);
            if left < rest || index == 0 {
                hidden += left;
                break;
            }
            left -= rest;
            index -= 1;
            hidden = 0;
        }
    } else {
        while left > 0 {
            if hidden >= left {
                hidden -= left;
                break;
            }
            left -= hidden;
            hidden = 0;
            let next = message::height(model, index + 1);
            if next == 0 {
                break;
            }
            index += 1;
            hidden = next;
        }
    }
    set(model, index, hidden);
}

/// Makes the selected message visible.
pub(super) fn reveal(model: &mut Model) {
    let Some(chat) = &model.chat else { return };
    let Some(target) = chat.selected.and_then(|position| chat.index(position)) else { return };
    let Some((bottom, hidden)) = chat.bottom() else { return };
    if target > bottom || (target == bottom && hidden > 0) {
        set(model, target, 0);
        return;
    }
    let height = usize::from(areas::areas(model).messages.height);
    let mut needed = 0;
    for index in (target..=bottom).rev() {
        needed += message::height(model, index);
        if needed > hidden + height {
            break;
        }
    }
    if needed.saturating_sub(hidden) > height {
        // The target becomes the topmost message: go down from it until the pane is full.
        let mut index = target;
        let mut filled = message::height(model, index);
        while filled < height && index < bottom {
            index += 1;
            filled += message::height(model, index);
        }
        set(model, index, filled.saturating_sub(height));
    }
}

/// Rows above a bottom, counted up to `enough`.
fn rows_above(model: &Model, index: usize, hidden: usize, enough: usize) -> usize {
    let mut rows = 0;
    for above in (0..=index).rev() {
        rows += message::height(model, above);
        if rows >= enough.saturating_add(hidden) {
            break;
        }
    }
    rows.saturating_sub(hidden)
}

fn set(model: &mut Model, index: usize, hidden: usize) {
    let Some(chat) = &mut model.chat else { return };
    chat.view = chat.messages.get(index).map_or(View::Bottom, |one| View::At(one.position, hidden));
    if chat.at_end() {
        chat.view = View::Bottom;
    }
}

/// Whether the screen is so near the start (true) or end (false) of the window that the next page should come.
pub(super) fn near_edge(model: &Model, start: bool) -> bool {
    let Some((bottom, _)) = model.chat.as_ref().and_then(super::Chat::bottom) else { return false };
    let rows = usize::from(model.size.1);
    let len = model.chat.as_ref().map_or(0, |chat| chat.messages.len());
    if start { bottom < 2 * rows } else { bottom + 2 * rows >= len }
}
