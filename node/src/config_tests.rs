//! Reading, writing and correcting the configuration.

use super::*;

#[test]
fn every_documented_key_has_its_default() {
    let config = Config::default();
    for key in KEYS {
        assert_eq!(config.get(key.name).unwrap(), key.default);
        assert!((key.check)(key.default), "{}", key.name);
    }
    assert_eq!(Config::parse(&documented(&config)).unwrap(), config);
    assert_eq!(Config::parse("").unwrap(), config);
}

#[test]
fn a_misspelt_key_is_answered_with_the_one_that_was_meant() {
    for (text, meant) in [
        ("[ui]\nlanguage = \"tg\"", Some("ui.lang")),
        ("[ui]\nglyph = \"plain\"", Some("ui.glyphs")),
        ("[iu]\nlang = \"tg\"", Some("ui.lang")),
        ("lang = \"tg\"", Some("ui.lang")),
        ("[api]\nsockets = \"auto\"", Some("api.socket")),
        ("[weather]\nforecast = \"rain\"", None),
        ("[weather]", None),
    ] {
        match Config::parse(text) {
            Err(ConfigError::Unknown { meant: seen, .. }) => assert_eq!(seen, meant, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_wrong_value_is_answered_with_what_it_may_be() {
    let error = Config::parse("[ui]\nglyphs = \"pretty\"").unwrap_err().to_string();
    assert!(error.contains("\"pretty\"") && error.contains("\"plain\""), "{error}");
    assert!(matches!(Config::parse("[ui]\nlang = 7"), Err(ConfigError::Value { .. })));
    assert!(matches!(Config::parse("version = 2"), Err(ConfigError::Version)));
    assert!(matches!(Config::parse("[ui"), Err(ConfigError::Syntax(_))));
    assert!(matches!(Config::parse("[api]\nsocket = \"near/here\""), Err(ConfigError::Value { .. })));
}

#[test]
fn setting_a_key_keeps_the_rest_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path(), "ui.lang", "tg").unwrap();
    assert_eq!(Config::load(dir.path()).unwrap().ui.lang, "tg");
    let text = "# mine\nversion = 1\n[api]\nsocket = \"auto\"\n[ui]\n# why\nlang = \"ru\" # short\n";
    fs::write(dir.path().join(FILE), text).unwrap();
    set(dir.path(), "ui.glyphs", "plain").unwrap();
    set(dir.path(), "ui.lang", "en").unwrap();
    let config = Config::load(dir.path()).unwrap();
    assert_eq!((config.ui.lang.as_str(), config.ui.glyphs.as_str()), ("en", "plain"));
    let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("# why"), "{text}");
}

#[test]
fn setting_nonsense_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(set(dir.path(), "ui.glyphs", "pretty").is_err());
    assert!(set(dir.path(), "ui.glyfs", "plain").is_err());
    assert!(!dir.path().join(FILE).exists());
    fs::write(dir.path().join(FILE), "ui.lang = \"tg\"\n").unwrap();
    assert!(set(dir.path(), "ui.lang", "ru").is_err());
    assert_eq!(Config::load(dir.path()).unwrap().ui.lang, "tg");
}

#[test]
fn distance_counts_single_edits() {
    assert_eq!(edits("kitten", "sitting"), 3);
    assert_eq!(edits("", "abc"), 3);
    assert_eq!(edits("тоҷик", "тоҷик"), 0);
}
