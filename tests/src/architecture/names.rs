//! Finds which paths a piece of code names, in `use` trees and in place.

use super::lexer::word;

/// All paths of the `use` declarations in `code`, each written out: `use std::{fs, io::Read}` gives `std::fs` and `std::io::Read`.
#[must_use]
pub fn uses(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = code;
    while let Some(at) = position(rest, "use") {
        let after = rest.get(at + "use".len()..).unwrap_or_default();
        let end = after.find(';').unwrap_or(after.len());
        let tree: String =
            after.get(..end).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        expand("", &tree, &mut out);
        rest = after.get(end..).unwrap_or_default();
    }
    out
}

fn expand(prefix: &str, tree: &str, out: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim().trim_start_matches("::");
        let full = format!("{prefix}{path}");
        out.push(full.strip_suffix("::self").unwrap_or(&full).to_owned());
        return;
    };
    let (head, body) = tree.split_at(open);
    let prefix = format!("{prefix}{}", head.trim().trim_start_matches("::"));
    let body = body.trim_start_matches('{');
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, character) in body.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                branch(&prefix, body.get(start..at).unwrap_or_default(), out);
                return;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branch(&prefix, body.get(start..at).unwrap_or_default(), out);
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn branch(prefix: &str, tree: &str, out: &mut Vec<String>) {
    if !tree.trim().is_empty() {
        expand(prefix, tree, out);
    }
}

/// Where `path` stands in `code` as whole segments, not as the tail of a longer path.
fn position(code: &str, path: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = code.get(from..)?.find(path) {
        let at = from + found;
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + path.len()..).unwrap_or_default();
        // A leading `::` is the root of all paths; `a::` before makes it another path.
        let root = before.strip_suffix("::").unwrap_or(before);
        let begins = !root.chars().next_back().is_some_and(|character| word(character) || character == '>');
        let ends = !after.chars().next().is_some_and(word);
        if begins && ends {
            return Some(at);
        }
        from = at + path.len();
    }
    None
}

/// Whether `code` names `path` (such as `std::fs` or `tokio`), by `use` or in place.
#[must_use]
pub fn mentions(code: &str, path: &str) -> bool {
    let below = format!("{path}::");
    position(code, path).is_some() || uses(code).iter().any(|used| used == path || used.starts_with(&below))
}

/// The first segments that `code` names under `root`: `karvon_node::api::Event` gives `api`.
#[must_use]
pub fn children(code: &str, root: &str) -> Vec<String> {
    let below = format!("{root}::");
    let mut out: Vec<String> =
        uses(code).iter().filter_map(|used| used.strip_prefix(&below)).map(first_segment).collect();
    let mut rest = code;
    while let Some(at) = position(rest, root) {
        rest = rest.get(at + root.len()..).unwrap_or_default();
        if let Some(path) = rest.strip_prefix("::")
            && !path.starts_with('{')
        {
            out.push(first_segment(path));
        }
    }
    out.sort();
    out.dedup();
    out
}

fn first_segment(path: &str) -> String {
    path.chars().take_while(|character| word(*character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_trees_are_written_out() {
        let code = "use std::{fs, io::{self, Read as _}, thread as t};\npub use ::a::b;";
        assert_eq!(uses(code), ["std::fs", "std::io", "std::io::Read", "std::thread", "a::b"]);
    }

    #[test]
    fn only_whole_paths_count() {
        assert!(mentions("let x = std::fs::read(y);", "std::fs"));
        assert!(mentions("use std::{fs::File, io};", "std::fs"));
        assert!(mentions("use ::tokio::net;", "tokio"));
        assert!(!mentions("let settled = my_std::fs::read(y); std::fsync()", "std::fs"));
        assert!(!mentions("let sledge = 1; unsled()", "sled"));
        assert!(!mentions("use crate::store::sled::Tree;", "sled"), "a module of our own may have this name");
    }

    #[test]
    fn children_of_a_crate_are_found_in_both_forms() {
        let code = "use karvon_node::{api::{Event, Request}, client};\nfn f() { karvon_node::net::go() }";
        assert_eq!(children(code, "karvon_node"), ["api", "client", "net"]);
    }
}
