//! What a person may set: each row has a few values, and a change is shown and saved at once.

use super::Model;
use crate::command::Command;
use crate::lang::{Lang, Texts};

/// What is told about new messages, beside the bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Notify {
    /// Nothing.
    Off,
    /// How many.
    #[default]
    Count,
    /// From whom and how many.
    Name,
}

/// The settings of the screen beside language and theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefs {
    /// Taps and the wheel are taken from the terminal.
    pub mouse: bool,
    /// What the terminal is asked to show.
    pub notify: Notify,
    /// The terminal's bell rings.
    pub bell: bool,
    /// Colours may be used: neither `NO_COLOR` nor `--no-color` forbids them.
    pub color_allowed: bool,
}

impl Default for Prefs {
    fn default() -> Self {
        Self { mouse: true, notify: Notify::Count, bell: true, color_allowed: true }
    }
}

/// The window of settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Chosen row.
    pub chosen: usize,
}

/// A row of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Language.
    Lang,
    /// Colours.
    Theme,
    /// Signs.
    Glyphs,
    /// Mouse.
    Mouse,
    /// Notification.
    Notify,
    /// Bell.
    Bell,
}

impl Setting {
    /// All, in the order of the screen.
    pub const ALL: [Self; 6] = [Self::Lang, Self::Theme, Self::Glyphs, Self::Mouse, Self::Notify, Self::Bell];

    /// Key of its name in the languages' files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lang => "set-lang",
            Self::Theme => "set-theme",
            Self::Glyphs => "set-glyphs",
            Self::Mouse => "set-mouse",
            Self::Notify => "set-notify",
            Self::Bell => "set-bell",
        }
    }

    /// Key in the configuration file.
    fn key(self) -> &'static str {
        match self {
            Self::Lang => "ui.lang",
            Self::Theme => "ui.theme",
            Self::Glyphs => "ui.glyphs",
            Self::Mouse => "ui.mouse",
            Self::Notify => "ui.notify",
            Self::Bell => "ui.bell",
        }
    }

    /// Its values as the configuration file spells them.
    fn values(self) -> Vec<&'static str> {
        match self {
            Self::Lang => Lang::ALL.iter().map(|lang| lang.tag()).collect(),
            Self::Theme => vec!["dark", "light", "mono"],
            Self::Glyphs => vec!["unicode", "plain"],
            Self::Mouse | Self::Bell => vec!["on", "off"],
            Self::Notify => vec!["count", "name", "off"],
        }
    }

    /// The value it has now, as the configuration file spells it.
    #[must_use]
    pub fn value(self, model: &Model) -> &'static str {
        let on = |yes: bool| if yes { "on" } else { "off" };
        match self {
            Self::Lang => model.texts.lang().tag(),
            Self::Theme if !model.theme.color => "mono",
            Self::Theme if model.theme.light => "light",
            Self::Theme => "dark",
            Self::Glyphs if model.theme.plain => "plain",
            Self::Glyphs => "unicode",
            Self::Mouse => on(model.prefs.mouse),
            Self::Notify => match model.prefs.notify {
                Notify::Off => "off",
                Notify::Count => "count",
                Notify::Name => "name",
            },
            Self::Bell => on(model.prefs.bell),
        }
    }

    /// The value as it is shown.
    #[must_use]
    pub fn shown(self, model: &Model) -> String {
        match self.value(model) {
            _ if self == Self::Lang => {
                let texts = &model.texts;
                let name = texts.lang().name();
                if texts.reviewed() {
                    name.to_owned()
                } else {
                    format!("{name} ({})", texts.get("language-unreviewed"))
                }
            }
            "unicode" => model.texts.get("wizard-unicode"),
            "plain" => model.texts.get("wizard-plain"),
            value => model.texts.get(&format!("value-{value}")),
        }
    }

    fn apply(self, model: &mut Model, value: &str) {
        match self {
            Self::Lang => {
                if let Some(lang) = Lang::from_tag(value) {
                    model.texts = Texts::new(lang);
                }
            }
            Self::Theme => {
                model.theme.color = value != "mono" && model.prefs.color_allowed;
                model.theme.light = value == "light";
            }
            Self::Glyphs => model.theme.plain = value == "plain",
            Self::Mouse => model.prefs.mouse = value == "on",
            Self::Notify => model.prefs.notify = notify(value),
            Self::Bell => model.prefs.bell = value == "on",
        }
    }

    /// Takes the next or previous value and says what is to be done outside.
    pub(super) fn change(self, model: &mut Model, forward: bool) -> Vec<Command> {
        let values = self.values();
        let at = values.iter().position(|value| *value == self.value(model)).unwrap_or(0);
        let step = if forward { 1 } else { values.len().saturating_sub(1) };
        let Some(value) = values.get((at + step) % values.len().max(1)).copied() else { return Vec::new() };
        self.apply(model, value);
        let mut commands = vec![Command::Set(self.key(), value)];
        if self == Self::Mouse {
            commands.push(Command::Mouse(model.prefs.mouse));
        }
        commands
    }
}

/// The notification that a value of the configuration file names; the default for one of a newer version.
#[must_use]
pub fn notify(value: &str) -> Notify {
    match value {
        "off" => Notify::Off,
        "name" => Notify::Name,
        _ => Notify::Count,
    }
}
