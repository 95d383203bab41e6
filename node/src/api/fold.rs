//! Folds letters so that a search finds a word however it was typed: case, marks, the letters of five languages, and the other script.
//!
//! The history is searched in the node and names are searched on the screen; both use these same rules.

use std::sync::LazyLock;

/// The text as a search compares it: lower case, special Cyrillic letters as their base letter, without combining marks.
#[must_use]
pub fn fold(text: &str) -> String {
    let (common, mut out) = (&**COMMON, String::with_capacity(text.len()));
    for letter in text.chars() {
        match common.get(letter as usize) {
            Some('\0') => {}
            Some(one) => out.push(*one),
            None => out.extend(letter.to_lowercase().filter_map(folded)),
        }
    }
    out
}

/// What becomes of the letters of our scripts, looked up because a search folds whole histories; zero for what is left out.
static COMMON: LazyLock<Vec<char>> = LazyLock::new(|| {
    // One letter at most comes out of each below this.
    let one = |letter: char| letter.to_lowercase().filter_map(folded).next().unwrap_or_default();
    ('\0'..'\u{530}').map(one).collect()
});

fn folded(letter: char) -> Option<char> {
    Some(match letter {
        '\u{300}'..='\u{36f}' | '\u{2bb}' | '\u{2bc}' | '‘' | '’' | '\'' | 'ъ' => return None,
        'ӣ' | 'й' | 'і' | 'ѝ' => 'и',
        'қ' => 'к',
        'ғ' => 'г',
        'ҳ' | 'һ' => 'х',
        'ҷ' => 'ч',
        'ӯ' | 'ў' | 'ү' | 'ұ' => 'у',
        'ө' => 'о',
        'ң' => 'н',
        'ә' => 'а',
        'ё' | 'э' => 'е',
        other => other,
    })
}

/// The text in Latin letters as people type names of either script: Раҳмон is `rahmon`, and so are Rahmon, Rakhmon and Raxmon.
#[must_use]
pub fn latin(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        let plain = match letter {
            '\u{300}'..='\u{36f}' | '\u{2bb}' | '\u{2bc}' | '‘' | '’' | '\'' | 'ъ' | 'ь' => continue,
            'а' | 'ә' => "a",
            'б' => "b",
            'в' | 'w' => "v",
            'г' | 'ғ' => "g",
            'д' => "d",
            'е' | 'э' => "e",
            'ё' => "yo",
            'ж' | 'ҷ' => "j",
            'з' => "z",
            'и' | 'ӣ' | 'і' | 'ѝ' | 'ы' => "i",
            'й' => "y",
            'к' | 'қ' | 'q' => "k",
            'л' => "l",
            'м' => "m",
            'н' | 'ң' => "n",
            'о' | 'ө' => "o",
            'п' => "p",
            'р' => "r",
            'с' => "s",
            'т' => "t",
            'у' | 'ӯ' | 'ў' | 'ү' | 'ұ' => "u",
            'ф' => "f",
            'х' | 'ҳ' | 'һ' | 'x' => "h",
            'ц' => "ts",
            'ч' => "ch",
            'ш' | 'щ' => "sh",
            'ю' => "yu",
            'я' => "ya",
            other => {
                out.push(other);
                continue;
            }
        };
        out.push_str(plain);
    }
    for (spelling, one) in [("kh", "h"), ("gh", "g"), ("zh", "j"), ("dj", "j"), ("dzh", "j")] {
        if out.contains(spelling) {
            out = out.replace(spelling, one);
        }
    }
    out
}

/// What somebody searches for: all its words must be found, in any order.
#[derive(Debug, Clone)]
pub struct Query {
    folded: Vec<String>,
    latin: Vec<String>,
    /// Which scripts the query has: Latin, Cyrillic.
    scripts: (bool, bool),
}

fn scripts(text: &str) -> (bool, bool) {
    let latin = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    (latin, text.chars().any(|letter| ('\u{400}'..='\u{52f}').contains(&letter)))
}

impl Query {
    /// A query as it was typed.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let words = |of: fn(&str) -> String| {
            text.split_whitespace().map(of).filter(|word| !word.is_empty()).collect::<Vec<_>>()
        };
        Self { folded: words(fold), latin: words(latin), scripts: scripts(text) }
    }

    /// Whether nothing is searched for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Whether `text` has all the words. The other script is tried only where the two differ in script.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let own = fold(text);
        if self.folded.iter().all(|word| own.contains(word.as_str())) {
            return true;
        }
        let (latin_text, cyrillic_text) = scripts(text);
        let crosses = self.scripts.0 && cyrillic_text || self.scripts.1 && latin_text;
        crosses && !self.latin.is_empty() && {
            let other = latin(text);
            self.latin.iter().all(|word| other.contains(word.as_str()))
        }
    }
}

/// Whether `needle` is found in `text`, both folded, in either script.
#[must_use]
pub fn contains(text: &str, needle: &str) -> bool {
    Query::new(needle).matches(text)
}

/// How well a name matches letters typed in order, not necessarily side by side; `None` when it does not. Higher is better: letters
/// side by side and at the starts of words count more, and a short name more than a long one.
#[must_use]
pub fn score(name: &str, typed: &str) -> Option<i32> {
    let (name, typed) = (latin(name), latin(typed));
    let mut wanted = typed.chars().filter(|letter| !letter.is_whitespace()).peekable();
    let mut score = 0;
    let mut before = ' ';
    let mut beside = false;
    for letter in name.chars() {
        let Some(next) = wanted.peek() else { break };
        if *next == letter {
            score += 1 + if beside { 4 } else { 0 } + if before.is_alphanumeric() { 0 } else { 6 };
            wanted.next();
            beside = true;
        } else {
            beside = false;
        }
        before = letter;
    }
    let length = i32::try_from(name.chars().count().min(64)).unwrap_or(64);
    wanted.peek().is_none().then_some(score * 64 - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_typed_on_a_russian_keyboard_finds_tajik_names() {
        assert!(contains("Дӯстон", "дуст"));
        assert!(contains("Раҳмон", "РАХ"));
        assert!(contains("Ҷамшед", "чам"));
        assert!(contains("Қурбонӣ", "курбони"));
        assert!(contains("O‘tkir", "otk"));
        assert!(!contains("Модар", "падар"));
    }

    #[test]
    fn a_search_in_one_script_finds_the_other() {
        for typed in ["rahmon", "Raxmon", "rakhmon", "РАХМОН"] {
            assert!(contains("Раҳмон", typed), "{typed}");
        }
        assert!(contains("Jamshed", "Ҷамшед"));
        assert!(contains("Ўзбекистон", "ozb") || contains("Ўзбекистон", "uzb"));
        assert!(contains("Назгүл", "nazgul"));
        assert!(!contains("Rahmon", "модар"));
    }

    #[test]
    fn all_words_must_be_there_in_any_order() {
        assert!(contains("Пулро гирифтам, раҳмат", "рахмат пул"));
        assert!(!contains("Пулро гирифтам, раҳмат", "рахмат нон"));
    }

    #[test]
    fn each_letter_folds_as_it_does_alone() {
        for letter in ('\u{1}'..='\u{10ffff}').step_by(7).chain('\u{1}'..'\u{600}') {
            let alone: String = letter.to_lowercase().filter_map(folded).collect();
            assert_eq!(fold(&letter.to_string()), alone, "{letter:?}");
        }
    }

    #[test]
    fn nothing_typed_finds_everybody() {
        assert!(contains("Али", "") && contains("Али", "  "));
        assert!(Query::new(" ").is_empty());
    }

    #[test]
    fn a_fuzzy_search_ranks_starts_and_runs_first() {
        assert!(score("Рустам", "рст").is_some());
        assert!(score("Rustam", "рус") > score("Barusos", "рус"));
        assert!(score("Settings: look", "sl") > score("Sails", "sl"));
        assert_eq!(score("Модар", "зз"), None);
    }
}
