//! The files of `src/`, the modules that they are, and which of their tokens are tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::tokens::{self, Kind, Token};

/// Every Rust file under `folder` of `root`, by its path from `root`, with its text.
pub(super) fn files_of(root: &Path, folder: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root.join(folder)).expect(folder) {
        let entry = entry.expect(folder);
        let path = format!("{folder}/{}", entry.file_name().display());
        if entry.file_type().expect("a type").is_dir() {
            files.extend(files_of(root, &path));
        } else if entry.path().extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(entry.path()).expect("UTF-8");
            files.insert(path, text);
        }
    }
    files
}

/// The rooms that these files make: the files and folders of `src/` itself.
pub(super) fn rooms(files: &BTreeMap<String, String>) -> BTreeSet<String> {
    files
        .keys()
        .map(|path| room_of(path))
        .filter(|room| room != "lib" && room != "main")
        .collect()
}

/// `src/message/json.rs` is in `message`, `src/cli.rs` is `cli`.
pub(super) fn room_of(path: &str) -> String {
    let path = path.trim_start_matches("src/");
    let room = path.split('/').next().unwrap_or(path);
    room.trim_end_matches(".rs").to_owned()
}

/// The module of a file without a `#[path]`.
pub(super) fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if ["mod", "lib", "main"].contains(&module[module.len() - 1].as_str()) {
        module.pop();
    }
    module
}

/// A source file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    /// Its module, from the root of the crate.
    pub(super) module: Vec<String>,
    pub(super) tokens: Vec<Token>,
    /// Whether each token stands under `#[cfg(test)]`.
    pub(super) in_test: Vec<bool>,
    /// The modules inside the file that each token stands in.
    pub(super) inner: Vec<Vec<String>>,
    /// Whether all of it does.
    pub(super) is_test: bool,
    lines: usize,
    test_lines: usize,
    children: Vec<Child>,
}

/// `mod name;`
#[derive(Debug)]
struct Child {
    name: String,
    path: Option<String>,
    is_test: bool,
}

impl File {
    pub(super) fn new(path: &str, module: Vec<String>, text: &str, is_test: bool) -> File {
        let tokens = tokens::read(text);
        let mut file = File {
            path: path.to_owned(),
            module,
            in_test: vec![is_test; tokens.len()],
            inner: vec![Vec::new(); tokens.len()],
            is_test,
            lines: text.lines().count(),
            test_lines: 0,
            children: Vec::new(),
            tokens,
        };
        file.find_modules();
        file
    }

    /// Its room.
    pub(super) fn room(&self) -> String {
        room_of(&self.path)
    }

    /// Its lines without its tests.
    pub(super) fn lines_of_code(&self) -> usize {
        self.lines - self.test_lines
    }

    /// Finds `mod`s and everything that is marked `#[cfg(test)]`.
    fn find_modules(&mut self) {
        let (mut test, mut path, mut begins) = (false, None, 0);
        let mut at = 0;
        while at < self.tokens.len() {
            let token = &self.tokens[at];
            if token.is("#") && self.tokens.get(at + 1).is_some_and(|next| next.is("[")) {
                let end = closing(&self.tokens, at + 1);
                let attribute = &self.tokens[at + 2..end.min(self.tokens.len())];
                if !test && path.is_none() {
                    begins = at;
                }
                test |= is_cfg_test(attribute);
                path = path_attribute(attribute).or(path);
                at = end + 1;
                continue;
            }
            if token.is("pub") {
                at += 1;
                if self.tokens.get(at).is_some_and(|next| next.is("(")) {
                    at = closing(&self.tokens, at) + 1;
                }
                continue;
            }
            let name = self.tokens.get(at + 1).filter(|name| name.is_word());
            if let (true, Some(name)) = (token.is("mod"), name) {
                let name = name.text.clone();
                match self.tokens.get(at + 2) {
                    Some(next) if next.is(";") => self.children.push(Child {
                        name,
                        path: path.clone(),
                        is_test: test || self.in_test[at],
                    }),
                    Some(next) if next.is("{") => {
                        let end = closing(&self.tokens, at + 2);
                        for inner in self.inner.iter_mut().take(end).skip(at + 2) {
                            inner.push(name.clone());
                        }
                    }
                    _ => {}
                }
            }
            if test {
                self.mark_test(begins, item_end(&self.tokens, at));
            }
            (test, path) = (false, None);
            at += 1;
        }
    }

    fn mark_test(&mut self, begins: usize, end: usize) {
        let end = end.min(self.tokens.len() - 1);
        // A test inside a test is counted once.
        if !self.in_test[begins] {
            self.test_lines += self.tokens[end].line - self.tokens[begins].line + 1;
        }
        self.in_test[begins..=end].fill(true);
    }
}

fn is_cfg_test(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text.as_str()).collect();
    words == ["cfg", "(", "test", ")"]
}

fn path_attribute(attribute: &[Token]) -> Option<String> {
    match attribute {
        [path, equals, file] if path.is("path") && equals.is("=") && file.kind == Kind::Literal => {
            Some(file.text.clone())
        }
        _ => None,
    }
}

/// The bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len()
}

/// The last token of the item at `start`: its `;`, or the brace that closes it.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        if token.is(";") {
            return at;
        }
        if token.is("{") {
            return closing(tokens, at);
        }
        if token.is("(") || token.is("[") {
            at = closing(tokens, at);
        }
        at += 1;
    }
    tokens.len()
}

/// All files that the crate's roots lead to.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Files that they do not lead to.
    pub(super) orphans: Vec<String>,
}

impl Tree {
    pub(super) fn walk(files: &BTreeMap<String, String>) -> Tree {
        let mut tree = Tree {
            files: Vec::new(),
            orphans: Vec::new(),
        };
        for root in ["src/lib.rs", "src/main.rs"] {
            tree.visit(files, root, Vec::new(), false, true);
        }
        let found: BTreeSet<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        tree.orphans = files
            .keys()
            .filter(|path| !found.contains(path.as_str()))
            .cloned()
            .collect();
        tree
    }

    /// `owns_folder`: whether the modules inside are beside the file, and not in a folder of its name.
    fn visit(
        &mut self,
        files: &BTreeMap<String, String>,
        path: &str,
        module: Vec<String>,
        is_test: bool,
        owns_folder: bool,
    ) {
        let Some(text) = files.get(path) else {
            return;
        };
        let file = File::new(path, module, text, is_test);
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let inside = if owns_folder {
            folder.to_owned()
        } else {
            format!("{folder}/{}", name.trim_end_matches(".rs"))
        };
        for child in &file.children {
            let mut module = file.module.clone();
            module.push(child.name.clone());
            let is_test = is_test || child.is_test;
            if let Some(path) = &child.path {
                self.visit(files, &format!("{folder}/{path}"), module, is_test, true);
                continue;
            }
            let flat = format!("{inside}/{}.rs", child.name);
            if files.contains_key(&flat) {
                self.visit(files, &flat, module, is_test, false);
            } else {
                let nested = format!("{inside}/{}/mod.rs", child.name);
                self.visit(files, &nested, module, is_test, true);
            }
        }
        self.files.push(file);
    }
}
