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
    /// Kazakh.
    Kk,
    /// Kyrgyz.
    Ky,
    /// Russian.
    Ru,
    /// Tajik.
    Tg,
    /// Uzbek in Cyrillic letters.
    UzCyrl,
    /// Uzbek in Latin letters.
    UzLatn,
}

/// What a language is called, how it counts, and its sentences.
struct Facts {
    name: &'static str,
    tag: &'static str,
    /// The language whose plural rules count. Tajik is missing from the plural tables and would silently follow English, so it takes
    /// the rules of Uzbek, which has the same two forms (one, other).
    plural_tag: &'static str,
    source: &'static str,
}

impl Lang {
    /// All of them, in the order of the picker.
    pub const ALL: [Self; 7] = [Self::Tg, Self::Ru, Self::UzLatn, Self::UzCyrl, Self::Ky, Self::Kk, Self::En];

    fn facts(self) -> Facts {
        let (name, tag, plural_tag, source) = match self {
            Self::En => ("English", "en", "en", include_str!("en.ftl")),
            Self::Kk => ("Қазақша", "kk", "kk", include_str!("kk.ftl")),
            Self::Ky => ("Кыргызча", "ky", "ky", include_str!("ky.ftl")),
            Self::Ru => ("Русский", "ru", "ru", include_str!("ru.ftl")),
            Self::Tg => ("Тоҷикӣ", "tg", "uz", include_str!("tg.ftl")),
            Self::UzCyrl => ("Ўзбекча", "uz-Cyrl", "uz", include_str!("uz-Cyrl.ftl")),
            Self::UzLatn => ("O‘zbekcha", "uz-Latn", "uz", include_str!("uz-Latn.ftl")),
        };
        Facts { name, tag, plural_tag, source }
    }

    /// The language's own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Tag for configuration files.
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.facts().tag
    }

    /// The language of a tag like `tg`, `ru_RU.UTF-8`, `uz_UZ@cyrillic` or `en-GB`; `None` when the program does not speak it.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let tag = tag.to_lowercase();
        let language = tag.split(['-', '_', '.', '@']).next().unwrap_or_default();
        if language == "uz" {
            return Some(if tag.contains("cyr") { Self::UzCyrl } else { Self::UzLatn });
        }
        Self::ALL.into_iter().find(|lang| lang.tag() == language)
    }

    /// A guess from the system's locales, English when none is known. A locale like `ru_TJ` names a language; of its country nothing
    /// is concluded, the first start asks anyway.
    #[must_use]
    pub fn guess() -> Self {
        sys_locale::get_locales().find_map(|tag| Self::from_tag(&tag)).unwrap_or_default()
    }

    fn source(self) -> &'static str {
        self.facts().source
    }

    fn plural_tag(self) -> &'static str {
        self.facts().plural_tag
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
        // No direction marks around values: all languages here run left to right, and the marks would reach the screen.
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
