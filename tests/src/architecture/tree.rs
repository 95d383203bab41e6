//! The repository's files as the rules see them.

use super::lexer::{Layers, split, without_tests};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Its layers; for other files than Rust, the text is all literal.
    pub layers: Layers,
    /// The code layer without test modules; empty for files that are not Rust or are tests as a whole.
    pub product: String,
}

impl Source {
    /// The file `path` with content `text`.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs");
        let layers = if rust {
            split(text)
        } else {
            Layers { code: String::new(), comments: String::new(), literals: text.to_owned() }
        };
        let product =
            if rust && path.contains("/src/") { without_tests(&layers.code) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), layers, product }
    }

    /// Whether this is a Rust file.
    #[must_use]
    pub fn rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether one of the folders or the file itself (without `.rs`) has one of these names.
    #[must_use]
    pub fn within(&self, names: &[&str]) -> bool {
        self.path.trim_end_matches(".rs").split('/').any(|part| names.contains(&part))
    }
}

/// The repository.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// All text files, in order of their paths.
    pub files: Vec<Source>,
}

impl Tree {
    /// The tree of these paths and texts.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self { files: files.iter().map(|(path, text)| Source::new(path, text)).collect() };
        tree.leave_out_test_files();
        tree
    }

    /// What a file declares as `#[cfg(test)] mod name;` does not ship: its product layer becomes empty.
    fn leave_out_test_files(&mut self) {
        let declared: Vec<String> = self.rust().flat_map(test_modules).collect();
        for file in &mut self.files {
            let path = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
            if declared.iter().any(|module| path == module || path.starts_with(&format!("{module}/"))) {
                file.product.clear();
            }
        }
    }

    /// Reads the repository this crate is part of.
    ///
    /// # Errors
    /// If a folder or file can not be read.
    pub fn repository() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut paths = Vec::new();
        walk(&root, &root, &mut paths)?;
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            // What is not text (a picture, a corpus) has no rules.
            if let Ok(text) = fs::read_to_string(root.join(&path)) {
                files.push(Source::new(&path.to_string_lossy().replace('\\', "/"), &text));
            }
        }
        let mut tree = Self { files };
        tree.leave_out_test_files();
        Ok(tree)
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or folder of this path exists.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&below))
    }

    /// All Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.rust())
    }

    /// Rust files that ship, below one of these folders.
    pub fn product<'a>(&'a self, folders: &'a [&'a str]) -> impl Iterator<Item = &'a Source> {
        self.rust().filter(|file| folders.iter().any(|folder| file.path.starts_with(folder)))
    }
}

/// Paths, without `.rs` or `/mod.rs`, of the modules that `file` declares for tests only.
fn test_modules(file: &Source) -> Vec<String> {
    let stem = file.path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    };
    let marked = file.layers.code.split("#[cfg(test)]").skip(1);
    let names = marked.filter_map(|after| {
        let (declaration, _) = after.split_once(';')?;
        let (_, name) = declaration.rsplit_once("mod ")?;
        (!declaration.contains('{')).then(|| name.trim().to_owned())
    });
    names.map(|name| format!("{folder}/{name}")).collect()
}

fn walk(root: &Path, folder: &Path, out: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        let hidden = name.starts_with('.') && name != ".ci";
        if hidden || name == "target" || name == "Cargo.lock" || name == "corpus" || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            walk(root, &entry.path(), out)?;
        } else if let Ok(path) = entry.path().strip_prefix(root) {
            out.push(path.to_path_buf());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_for_tests_in_files_of_their_own_do_not_ship() {
        let tree = Tree::of(&[
            ("tui/src/app.rs", "//! A.\n#[cfg(test)]\npub(crate) mod story;\nmod real;\n"),
            ("tui/src/app/story.rs", "//! S.\nuse std::fs;\n"),
            ("tui/src/app/real.rs", "//! R.\nuse std::fs;\n"),
            ("node/src/store/mod.rs", "//! M.\n#[cfg(test)]\nmod tests;\n"),
            ("node/src/store/tests/mod.rs", "//! T.\nuse a;\n"),
            ("node/src/store/tests/deep.rs", "//! T.\nuse a;\n"),
        ]);
        let shipped: Vec<&str> = tree
            .files
            .iter()
            .filter(|file| !file.product.is_empty())
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(shipped, ["tui/src/app.rs", "tui/src/app/real.rs", "node/src/store/mod.rs"]);
    }
}
