//! The repository keeps its own rules; what each demands stands in `tests/src/architecture/rules.rs`.
#![cfg(unix)]

use karvon_tests::architecture::{rules, tree::Tree};

#[test]
fn the_tree_keeps_every_rule() {
    let tree = Tree::repository().expect("the repository can be read");
    assert!(tree.has("protocol/src/lib.rs"), "the walk found the repository");
    let mut broken = Vec::new();
    for rule in rules::ALL {
        broken.extend((rule.check)(&tree).into_iter().map(|breach| format!("{}\n    {breach}", rule.name)));
    }
    assert!(broken.is_empty(), "{} breaches:\n{}", broken.len(), broken.join("\n"));
}
