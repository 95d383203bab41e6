//! Colours and glyphs: colour never carries meaning alone, and every sign has a plain form.

use karvon_node::api::State;
use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Colours may be used; without it bold, dim and reverse remain.
    pub color: bool,
    /// Only glyphs every terminal has.
    pub plain: bool,
    /// The terminal's ground is light.
    pub light: bool,
}

impl Theme {
    fn colored(self, color: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.color { style.fg(color) } else { style }
    }

    /// Titles and names.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Times, rules, hints. Dark grey can be read on both grounds.
    #[must_use]
    pub fn faint(self) -> Style {
        self.colored(Color::DarkGray, Modifier::empty())
    }

    /// Own messages, the focused title.
    #[must_use]
    pub fn accent(self) -> Style {
        self.colored(if self.light { Color::Blue } else { Color::Cyan }, Modifier::empty())
    }

    /// Something to look at.
    #[must_use]
    pub fn warn(self) -> Style {
        self.colored(if self.light { Color::Red } else { Color::Yellow }, Modifier::BOLD)
    }

    /// Good news.
    #[must_use]
    pub fn good(self) -> Style {
        self.colored(Color::Green, Modifier::empty())
    }

    /// The chosen row.
    #[must_use]
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Horizontal rule.
    #[must_use]
    pub fn rule(self) -> char {
        if self.plain { '-' } else { '─' }
    }

    /// Vertical rule between panes.
    #[must_use]
    pub fn divider(self) -> &'static str {
        if self.plain { "|" } else { "│" }
    }

    /// Sign before the state word.
    #[must_use]
    pub fn dot(self, up: bool) -> &'static str {
        match (self.plain, up) {
            (true, true) => "*",
            (true, false) => "o",
            (false, true) => "●",
            (false, false) => "○",
        }
    }

    /// The mark of an own message; each is earned, never guessed. `held`: a stated reason keeps it here.
    #[must_use]
    pub fn mark(self, state: State, held: bool) -> &'static str {
        match (state, self.plain) {
            (State::Queued, _) if held => "!",
            (State::Queued, true) => ".",
            (State::Queued, false) => "·",
            (State::Stored, true) => "^",
            (State::Stored, false) => "↑",
            (State::Delivered, true) => "v",
            (State::Delivered, false) => "✓",
            (State::Read, true) => "vv",
            (State::Read, false) => "✓✓",
            (State::Received, _) => "",
        }
    }

    /// The same sign in its plain form where only plain glyphs are shown.
    #[must_use]
    pub fn glyphs(self, text: &str) -> String {
        if !self.plain {
            return text.to_owned();
        }
        text.replace("✓", "v")
            .replace('↑', "^")
            .replace('↓', "v")
            .replace(['·', '•'], ".")
            .replace('…', "...")
            .replace(['—', '–'], "-")
            .replace(['‘', '’'], "'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_a_plain_form_and_no_two_look_alike() {
        let states = [State::Queued, State::Stored, State::Delivered, State::Read];
        for plain in [false, true] {
            let theme = Theme { color: false, plain, light: false };
            let mut marks: Vec<_> = states.iter().map(|state| theme.mark(*state, false)).collect();
            marks.push(theme.mark(State::Queued, true));
            assert!(!plain || marks.iter().all(|mark| mark.is_ascii()));
            marks.sort_unstable();
            marks.dedup();
            assert_eq!(marks.len(), 5);
        }
    }

    #[test]
    fn without_colour_no_style_has_one() {
        let theme = Theme { color: false, plain: false, light: false };
        for style in
            [theme.strong(), theme.faint(), theme.accent(), theme.warn(), theme.good(), theme.chosen()]
        {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
