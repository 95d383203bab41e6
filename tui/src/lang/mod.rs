//! Everything the program says, in the languages of its users.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language the program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Russian.
    Ru,
    /// Tajik.
    Tg,
}

impl Lang {
    /// All of them, in the order of the picker.
    pub const ALL: [Self; 3] = [Self::Tg, Self::Ru, Self::En];

    /// The language's own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Ru => "Русский",
            Self::Tg => "Тоҷикӣ",
        }
    }

    /// Tag for configuration files.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
            Self::Tg => "tg",
        }
    }

    /// The language of a tag like `tg`, `ru_RU.UTF-8` or `en-GB`; `None` when the program does not speak it.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_', '.', '@']).next().unwrap_or_default().to_lowercase();
        Self::ALL.into_iter().find(|lang| lang.tag() == language)
    }

    /// A guess from the system's locales, English when none is known.
    #[must_use]
    pub fn guess() -> Self {
        sys_locale::get_locales().find_map(|tag| Self::from_tag(&tag)).unwrap_or_default()
    }

    fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("en.ftl"),
            Self::Ru => include_str!("ru.ftl"),
            Self::Tg => include_str!("tg.ftl"),
        }
    }

    /// The language whose plural rules count: Tajik is missing from the plural tables and would silently follow English, so it
    /// takes the rules of Uzbek, which has the same two forms (one, other).
    fn plural_tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
            Self::Tg => "uz",
        }
    }
}

/// The sentences of one language.
pub struct Texts {
    lang: Lang,
    bundle: FluentBundle<FluentResource>,
}

impl Texts {
    /// Reads the sentences of a language, which are part of the program.
    #[must_use]
    pub fn new(lang: Lang) -> Self {
        let locale: LanguageIdentifier = lang.plural_tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // No direction marks around values: all three languages run left to right, and the marks would reach the screen.
        bundle.set_use_isolating(false);
        let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(lang.source().to_owned());
        // Doubled or damaged sentences are found by the tests; the others stay usable.
        let _ = bundle.add_resource(resource);
        Self { lang, bundle }
    }

    /// The language.
    #[must_use]
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Whether a native speaker has read this language's file.
    #[must_use]
    pub fn reviewed(&self) -> bool {
        self.get("reviewed") == "yes"
    }

    /// Whether there is such a sentence.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }

    /// A sentence without arguments; its key when there is none.
    #[must_use]
    pub fn get(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// A sentence with arguments.
    #[must_use]
    pub fn with(&self, key: &str, values: &[(&'static str, FluentValue<'_>)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, value.clone());
        }
        self.format(key, Some(&args))
    }

    /// The sentence of an error code of the local interface; unknown codes are shown with their code.
    #[must_use]
    pub fn error(&self, code: &str) -> String {
        let key = format!("error-{}", code.replace('_', "-"));
        if self.has(&key) {
            self.get(&key)
        } else {
            self.with("error-unknown", &[("code", crate::text::one_line(code).into())])
        }
    }

    fn format(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let pattern = self.bundle.get_message(key).and_then(|message| message.value());
        pattern.map_or_else(
            || key.to_owned(),
            |pattern| self.bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned(),
        )
    }
}

#[cfg(test)]
mod tests;
