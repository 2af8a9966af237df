//! The files of `src/` and the modules that they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::syntax::File;

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

/// All files that the roots of the crate lead to.
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
            if let Some(path) = &child.path {
                let path = format!("{folder}/{path}");
                self.visit(files, &path, module, child.place.in_test, true);
                continue;
            }
            let flat = format!("{inside}/{}.rs", child.name);
            if files.contains_key(&flat) {
                self.visit(files, &flat, module, child.place.in_test, false);
            } else {
                let nested = format!("{inside}/{}/mod.rs", child.name);
                self.visit(files, &nested, module, child.place.in_test, true);
            }
        }
        self.files.push(file);
    }
}
