//! What is known about a contact: beside the conversation where there is room, else as a window.

use karvon_node::api::Meeting;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::paint;
use crate::app::Model;
use crate::app::details::Details;
use crate::text::wrap;

/// Draws the window.
pub(super) fn draw(model: &Model, details: &Details, frame: &mut Frame<'_>, area: Rect) {
    let mut area = area;
    if let Some(name) = &details.name {
        let row = paint::paragraph(frame, area, 0, &model.texts.get("details-name"), Style::new());
        paint::text(frame, paint::row(area, row), 0, "> ", model.theme.accent());
        let field = paint::indent(paint::row(area, row), 2);
        paint::field(frame, field, name, true, false, model.theme);
        let used = u16::try_from(row + 2).unwrap_or(area.height).min(area.height);
        area = Rect { y: area.y + used, height: area.height - used, ..area };
    }
    about(model, details.contact, details.scrolled, frame, area);
}

/// Draws what is known.
pub(super) fn about(model: &Model, contact: u32, scrolled: usize, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let Some(known) = model.contact(contact) else { return };
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        for part in wrap::wrapped(&theme.glyphs(&crate::text::one_line(sentence)), usize::from(area.width)) {
            out.push(Line::styled(part.to_owned(), style));
        }
    };
    say(&model.contact_name(contact), theme.strong());
    match &known.meeting {
        Meeting::LookingUp => say(&texts.get("details-looking-up"), Style::new()),
        Meeting::Greeting => say(&texts.get("details-greeting"), Style::new()),
        Meeting::Failed(code) => say(&format!("! {}", texts.error(code)), theme.warn()),
        Meeting::Connected => say(&texts.get("details-connected"), theme.good()),
    }
    say("", Style::new());
    if known.verified {
        say(&texts.get("details-verified"), theme.good());
    } else {
        say(&texts.get("details-unverified"), theme.warn());
    }
    say("", Style::new());
    say(&texts.get("details-key"), theme.faint());
    let fingerprint = crate::text::one_line(&known.fingerprint);
    let letters: Vec<char> = fingerprint.chars().take(64).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    say(&groups.join(" "), Style::new());
    paint::lines(frame, area, &out, scrolled);
}
