//! The languages say the same things, and all of it fits.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::text::width::width;

/// Keys of a file with the names of their arguments.
fn keys(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in lang.source().lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if !line.starts_with(' ') {
            let (key, _) = line.split_once(" =").unwrap_or_else(|| panic!("{line}"));
            assert!(out.insert(key.to_owned(), BTreeSet::new()).is_none(), "{key} is there twice");
            current = key.to_owned();
        }
        for argument in line.split('$').skip(1) {
            let name = argument.chars().take_while(char::is_ascii_alphabetic).collect();
            out.get_mut(&current).unwrap().insert(name);
        }
    }
    out
}

#[test]
fn every_sentence_exists_in_every_language_with_the_same_arguments() {
    let english = keys(Lang::En);
    for lang in Lang::ALL {
        assert_eq!(keys(lang), english, "{lang:?}");
        let (resource, errors) = match FluentResource::try_new(lang.source().to_owned()) {
            Ok(resource) => (resource, Vec::new()),
            Err((resource, errors)) => (resource, errors),
        };
        assert!(errors.is_empty(), "{lang:?}: {errors:?}");
        assert!(
            FluentBundle::new_concurrent(vec![LanguageIdentifier::default()]).add_resource(resource).is_ok()
        );
    }
}

#[test]
fn every_sentence_fits_78_columns_and_has_no_direction_marks() {
    for lang in Lang::ALL {
        let texts = Texts::new(lang);
        for (key, arguments) in keys(lang) {
            let mut args = FluentArgs::new();
            for argument in &arguments {
                let value: FluentValue<'_> = if argument == "n" { 5.into() } else { "0123abcd".into() };
                args.set(argument.clone(), value);
            }
            let sentence = texts.format(&key, Some(&args));
            assert!(!sentence.contains(['\u{2068}', '\u{2069}']) && !sentence.contains("{$"), "{sentence}");
            for line in sentence.lines() {
                let most = if key.starts_with("key-") { 26 } else { 78 };
                assert!(width(line) <= most, "{lang:?} {key}: {} columns", width(line));
            }
        }
    }
}

#[test]
fn every_sentence_is_used_and_every_used_one_exists() {
    let mut source = String::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("lang/tests.rs") {
                source.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let made = ["weekday-", "month-", "state-", "trail-", "error-", "value-"];
    let all = keys(Lang::En);
    for key in all.keys() {
        let used = source.contains(&format!("\"{key}\"")) || made.iter().any(|start| key.starts_with(start));
        assert!(used, "{key} is used nowhere");
    }
    for call in ["texts.get(\"", "texts.with(\"", "its.get(\""] {
        for rest in source.split(call).skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(all.contains_key(key), "{key} is used and does not exist");
        }
    }
}

#[test]
fn plural_forms_follow_each_language() {
    let new = |lang, n: i64| Texts::new(lang).with("new-messages", &[("n", n.into())]);
    assert_eq!([1, 2, 5, 21].map(|n| new(Lang::Ru, n)), ["1 новое", "2 новых", "5 новых", "21 новое"]);
    assert_eq!([1, 2].map(|n| new(Lang::Tg, n)), ["1 паёми нав", "2 паёми нав"]);
    assert_eq!([1, 2].map(|n| new(Lang::En, n)), ["1 new", "2 new"]);
    assert_eq!([1, 5].map(|n| new(Lang::UzLatn, n)), ["1 ta yangi", "5 ta yangi"]);
    assert_eq!([1, 5].map(|n| new(Lang::Kk, n)), ["1 жаңа", "5 жаңа"]);
}

#[test]
fn tajik_follows_rules_that_exist_and_not_a_silent_fallback() {
    let tg: LanguageIdentifier = Lang::Tg.plural_tag().parse().unwrap();
    assert_ne!(tg, "en".parse::<LanguageIdentifier>().unwrap());
}

#[test]
fn a_locale_of_the_system_is_understood_in_its_usual_spellings() {
    assert_eq!(Lang::from_tag("tg_TJ.UTF-8"), Some(Lang::Tg));
    assert_eq!(Lang::from_tag("RU"), Some(Lang::Ru));
    assert_eq!(Lang::from_tag("en-GB"), Some(Lang::En));
    assert_eq!(Lang::from_tag("uz_UZ.UTF-8@cyrillic"), Some(Lang::UzCyrl));
    assert_eq!(Lang::from_tag("uz-Cyrl-UZ"), Some(Lang::UzCyrl));
    assert_eq!(Lang::from_tag("uz"), Some(Lang::UzLatn));
    assert_eq!(Lang::from_tag("kk-KZ"), Some(Lang::Kk));
    assert_eq!(Lang::from_tag("ky_KG"), Some(Lang::Ky));
    assert_eq!(Lang::from_tag("C"), None);
    for lang in Lang::ALL {
        assert_eq!(Lang::from_tag(lang.tag()), Some(lang));
    }
}

#[test]
fn no_sentence_was_left_in_another_language() {
    let english = Texts::new(Lang::En);
    let same_everywhere = ["reviewed", "trail-other", "wizard-unicode"];
    for lang in Lang::ALL.into_iter().filter(|lang| *lang != Lang::En) {
        let texts = Texts::new(lang);
        for (key, arguments) in keys(lang) {
            if arguments.is_empty() && !same_everywhere.contains(&key.as_str()) {
                assert_ne!(texts.get(&key), english.get(&key), "{lang:?} {key}");
            }
        }
    }
}

#[test]
fn each_language_is_written_in_its_own_letters() {
    // A word of a neighbouring language that slipped in shows by its letters. Names of programs, keys and marks are Latin everywhere.
    let cyrillic =
        |text: &str| text.chars().filter(|letter| ('а'..='ӿ').contains(letter)).collect::<String>();
    let own = [(Lang::Tg, "ҷӣӯқҳғ"), (Lang::Ky, "үөң"), (Lang::Kk, "қғңүұәіө"), (Lang::UzCyrl, "ўқғҳ")];
    for (lang, letters) in own {
        let found = cyrillic(&lang.source().to_lowercase());
        for letter in letters.chars() {
            assert!(found.contains(letter), "{lang:?} never uses {letter}");
        }
        let foreign = |letter: &char| "ҷӣӯқҳғүөңұәіў".contains(*letter) && !letters.contains(*letter);
        assert_eq!(found.chars().filter(foreign).collect::<String>(), "", "{lang:?}");
    }
    assert_eq!(cyrillic(&Lang::UzLatn.source().to_lowercase()), "л", "only the key of the layout example");
}

#[test]
fn every_error_of_the_core_has_a_sentence_and_others_show_their_code() {
    for lang in Lang::ALL {
        let texts = Texts::new(lang);
        for code in
            ["invite_used", "no_such_contact", "store", "version", "bad_request", "no_door", "too_long"]
        {
            assert!(texts.has(&format!("error-{}", code.replace('_', "-"))), "{lang:?} {code}");
        }
        assert!(texts.error("brand_new").contains("brand_new"));
    }
}
