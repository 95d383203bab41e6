//! Splits Rust source into code, comments and literals, so that a rule on one does not trip over the others.

/// One Rust file in three layers of the same shape: what does not belong to a layer is blank there, lines stay where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// Code without comments and without the content of literals.
    pub code: String,
    /// Comments, with their marks.
    pub comments: String,
    /// The content of string, byte string and character literals.
    pub literals: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Code,
    Comment,
    Literal,
}

/// Splits `text`. Source that does not compile gives some split, never a panic.
#[must_use]
pub fn split(text: &str) -> Layers {
    let chars: Vec<char> = text.chars().collect();
    let mut layers = Layers { code: String::new(), comments: String::new(), literals: String::new() };
    let mut at = 0;
    while at < chars.len() {
        let (layer, length) = token(&chars, at);
        for character in chars.iter().skip(at).take(length) {
            put(&mut layers, layer, *character);
        }
        at += length.max(1);
    }
    layers
}

fn put(layers: &mut Layers, layer: Layer, character: char) {
    for (of, out) in [
        (Layer::Code, &mut layers.code),
        (Layer::Comment, &mut layers.comments),
        (Layer::Literal, &mut layers.literals),
    ] {
        out.push(if character == '\n' || of == layer { character } else { ' ' });
    }
}

fn is(chars: &[char], at: usize, text: &str) -> bool {
    text.chars().enumerate().all(|(offset, character)| chars.get(at + offset) == Some(&character))
}

/// The layer of what starts at `at`, and how many characters it has.
fn token(chars: &[char], at: usize) -> (Layer, usize) {
    if is(chars, at, "//") {
        let length = chars.iter().skip(at).take_while(|character| **character != '\n').count();
        return (Layer::Comment, length);
    }
    if is(chars, at, "/*") {
        return (Layer::Comment, block_comment(chars, at));
    }
    let after_word = at > 0 && chars.get(at - 1).is_some_and(|before| word(*before));
    if !after_word && let Some(length) = raw_string(chars, at) {
        return (Layer::Literal, length);
    }
    match chars.get(at) {
        Some('"') => (Layer::Literal, quoted(chars, at, '"')),
        Some('\'') => match character_literal(chars, at) {
            Some(length) => (Layer::Literal, length),
            None => (Layer::Code, 1),
        },
        _ => (Layer::Code, 1),
    }
}

/// Whether `character` may be part of a name.
#[must_use]
pub fn word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < chars.len() {
        if is(chars, at, "/*") {
            depth += 1;
            at += 2;
        } else if is(chars, at, "*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(chars.len()) - start
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    if matches!(chars.get(at), Some('b' | 'c')) {
        at += 1;
    }
    if chars.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = chars.iter().skip(at).take_while(|character| **character == '#').count();
    at += hashes;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    let end: String = core::iter::once('"').chain(core::iter::repeat_n('#', hashes)).collect();
    at += 1;
    while at < chars.len() && !is(chars, at, &end) {
        at += 1;
    }
    Some((at + hashes + 1).min(chars.len()) - start)
}

fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while let Some(character) = chars.get(at) {
        match character {
            '\\' => at += 2,
            character if *character == quote => {
                at += 1;
                break;
            }
            _ => at += 1,
        }
    }
    at.min(chars.len()) - start
}

/// A character literal; `None` for a lifetime.
fn character_literal(chars: &[char], at: usize) -> Option<usize> {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => Some(quoted(chars, at, '\'')),
        (Some(_), Some('\'')) => Some(3),
        _ => None,
    }
}

/// Blanks the bodies of `#[cfg(test)] mod … { … }` in a code layer: what tests name does not ship.
#[must_use]
pub fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, marked) = rest.split_at(start);
        out.push_str(before);
        let length = item_length(marked);
        let (item, after) = marked.split_at(length);
        out.extend(item.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Bytes of the item at the start of `code`: up to its `;`, or its closing brace.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let layers = split(
            "let a = \"tokio \\\" x\"; // sled\nlet b = r#\"fs \"q\" \"#; /* a /* b */ c */ 'x' &'life d",
        );
        assert!(!layers.code.contains("tokio") && layers.literals.contains("tokio"));
        assert!(!layers.code.contains("sled") && layers.comments.contains("// sled"));
        assert!(layers.literals.contains("fs \"q\"") && !layers.code.contains("fs"));
        assert!(layers.comments.contains("b */ c */") && layers.code.contains("'life d"));
        assert!(!layers.code.contains('x'));
        assert_eq!(layers.code.lines().count(), 2);
        assert_eq!(layers.code.chars().count(), layers.literals.chars().count());
    }

    #[test]
    fn unfinished_source_does_not_panic() {
        for text in ["\"", "'", "r#\"", "/*", "b'", "'\\", "r#", "\"\\"] {
            let _ = split(text);
        }
    }

    #[test]
    fn test_modules_are_left_out() {
        let code = "use a;\n#[cfg(test)]\nmod tests {\n    fn x() { sled() }\n}\nfn after() {}";
        let kept = without_tests(code);
        assert!(!kept.contains("sled") && kept.contains("fn after"));
        assert_eq!(kept.lines().count(), code.lines().count());
        assert!(without_tests("#[cfg(test)]\nmod tests;\nuse b;").contains("use b;"));
    }
}
