//! A channel: what may be done with it, what is known about it, and the window in which one is made.

use karvon_node::api::channels::Channel;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::group::{below, field};
use super::{list, paint};
use crate::app::channel::{About, New, Row, rows};
use crate::app::{Model, Talk};
use crate::text::{one_line, wrap};

/// Draws the window about a channel.
pub(super) fn draw(model: &Model, open: &About, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let Some(channel) = model.channel(open.channel) else { return };
    if open.sure {
        let key = if channel.mine { "channel-leave-own-sure" } else { "channel-leave-sure" };
        let name = model.talk_name(Talk::Channel(channel.channel));
        let sentence = texts.with(key, &[("name", name.into())]);
        paint::paragraph(frame, area, 1, &theme.glyphs(&sentence), theme.warn());
        return;
    }
    let lines: Vec<(String, Style)> = rows(channel)
        .into_iter()
        .map(|row| {
            let (letter, key) = match row {
                Row::Link => ("i", "channel-link"),
                Row::Older => ("e", "channel-older"),
                Row::Leave if channel.mine => ("u", "channel-leave-own"),
                Row::Leave => ("u", "channel-leave"),
            };
            (theme.glyphs(&format!("{letter}  {}", texts.get(key))), Style::new())
        })
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(0).min(area.height);
    list::draw(frame, Rect { height, ..area }, &lines, open.chosen, true, theme);
    about(model, channel.channel, frame, below(area, lines.len() + 1));
}

/// What is known about it in words, the worst first, each with whether it is a warning.
fn known(model: &Model, channel: &Channel) -> Vec<(String, bool)> {
    let texts = &model.texts;
    let count = |key: &str, n: u64| texts.with(key, &[("n", n.into())]);
    let mut out = Vec::new();
    if channel.forked {
        out.push((format!("! {}", texts.get("channel-forked")), true));
    }
    if channel.withheld > 0 {
        out.push((format!("! {}", count("channel-withheld", channel.withheld)), true));
    }
    if channel.missing > 0 {
        out.push((format!("! {}", count("channel-missing", channel.missing)), true));
    }
    out.push((texts.get(if channel.mine { "channel-mine" } else { "channel-read-only" }), false));
    out.push((count("channel-entries", channel.entries), false));
    if channel.under_way > 0 {
        out.push((count("channel-under-way", channel.under_way), false));
    }
    if !channel.mine {
        out.push((texts.get("channel-hidden"), false));
    }
    out
}

/// Draws what is known about a channel.
pub(super) fn about(model: &Model, number: u32, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let Some(channel) = model.channel(number) else { return };
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        for part in wrap::wrapped(&theme.glyphs(&one_line(sentence)), usize::from(area.width)) {
            out.push(Line::styled(part.to_owned(), style));
        }
    };
    say(&model.talk_name(Talk::Channel(number)), theme.strong());
    for (words, warns) in known(model, channel) {
        say(&words, if warns { theme.warn() } else { Style::new() });
    }
    paint::lines(frame, area, &out, 0);
}

/// Draws the window in which a channel is made.
pub(super) fn new(model: &Model, new: &New, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let row = paint::paragraph(frame, area, 0, &theme.glyphs(&texts.get("channel-name")), Style::new());
    field(model, &new.name, true, frame, area, row);
    let mut row = row + 2;
    if new.busy {
        row = paint::paragraph(frame, area, row, &theme.glyphs(&texts.get("add-busy")), theme.faint()) + 1;
    }
    if let Some(problem) = &new.problem {
        row = paint::paragraph(frame, area, row, &format!("! {}", theme.glyphs(problem)), theme.warn()) + 1;
    }
    paint::paragraph(frame, area, row, &theme.glyphs(&texts.get("channel-new-note")), theme.faint());
}
