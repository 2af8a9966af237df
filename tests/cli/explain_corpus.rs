//! The corpus in `tests/data/explain`: error texts as programs print them, each below the names of the
//! entries that fit, or below `-` if it means nothing.

use std::fs;
use std::path::Path;

use sockdoc::reference::look_up;

/// File, names and text of every record.
fn records() -> Vec<(String, Vec<String>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explain");
    let mut records = Vec::new();
    for file in fs::read_dir(folder).expect("the corpus is there") {
        let path = file.expect("a file").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("UTF-8");
        for record in text.split("## ").skip(1) {
            let (names, text) = record.split_once('\n').expect("a text below the names");
            let mut names: Vec<String> = names.split(' ').map(str::to_owned).collect();
            names.retain(|name| name != "-");
            names.sort();
            records.push((name.clone(), names, text.trim_end().to_owned()));
        }
    }
    records
}

#[test]
fn every_text_of_the_corpus_leads_to_its_entry_and_no_look_alike_to_any() {
    let records = records();
    assert!(records.len() > 1400, "{}", records.len());
    let mut wrong = Vec::new();
    for (file, expected, text) in &records {
        let mut names: Vec<&str> = look_up(text).entries.iter().map(|it| it.name()).collect();
        names.sort_unstable();
        if names != *expected {
            wrong.push(format!("{file}: {expected:?}, not {names:?}: {text}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        records.len(),
        wrong.join("\n")
    );
}
