//! The man pages match the commands' help.

mod man {
    pub(crate) mod json_page;
    pub(crate) mod page;
    #[allow(dead_code, reason = "other tests hold output against it")]
    pub(crate) mod schema;
    pub(crate) mod texts;
}

use std::path::Path;

use man::schema::Book;
use man::{json_page, page};

/// Every page as the parser and the texts make it, by file name.
fn pages() -> Vec<(String, String)> {
    // There is not a page sockdoc-help(1) to refer to.
    let mut parser = sockdoc::cli::command().disable_help_subcommand(true);
    parser.build();
    let mut pages = vec![("sockdoc.1".to_owned(), page::program(&parser))];
    for command in parser.get_subcommands() {
        let name = command.get_name();
        // A command's name must outlive it; a test may leak a few.
        let full: &'static str = format!("sockdoc-{name}").leak();
        let text = page::command(&command.clone().name(full).display_name(full), name);
        pages.push((format!("{full}.1"), text));
    }
    let version = env!("CARGO_PKG_VERSION");
    let text = json_page::page(&Book::open(), version);
    pages.push(("sockdoc-json.5".to_owned(), text));
    pages
}

/// To renew the pages: `SOCKDOC_UPDATE=man cargo test --test man`.
#[test]
fn the_man_pages_are_what_the_parser_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let update = std::env::var("SOCKDOC_UPDATE").is_ok_and(|what| what == "man");
    let pages = pages();
    for (name, text) in &pages {
        let file = folder.join(name);
        if update {
            std::fs::write(&file, text).expect("the page can be written");
        }
        let stands = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            stands == *text,
            "man/{name} is stale: SOCKDOC_UPDATE=man cargo test --test man"
        );
    }
    let known: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for entry in std::fs::read_dir(&folder).expect("man/").flatten() {
        let name = entry.file_name();
        let name = name.to_str().expect("a name");
        assert!(known.contains(&name), "man/{name} belongs to no command");
    }
}

#[test]
fn the_examples_of_json_are_as_documented() {
    let book = Book::open();
    for schema in &book.schemas {
        let name = &schema.names[0];
        let value = serde_json::from_str(&schema.example);
        let value = value.unwrap_or_else(|error| panic!("the example of {name}: {error}"));
        if let Err(complaint) = book.check_example(name, &value) {
            panic!("the example: {complaint}");
        }
        for line in schema.example.lines() {
            assert!(line.len() <= 100, "the example of {name}: too wide: {line}");
        }
    }
}

#[test]
fn the_example_for_a_fleet_has_metrics_that_exist() {
    let written = include_str!("../src/render/diagnosis.rs");
    let example = man::texts::FLEET.join("\n");
    let words = example.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics: Vec<&str> = words.filter(|word| word.starts_with("sockdoc_")).collect();
    assert!(metrics.len() >= 3, "{metrics:?}");
    for metric in metrics {
        assert!(
            written.contains(&format!("\"{metric}\""))
                || written.contains(&format!("TYPE {metric} ")),
            "{metric}"
        );
    }
}
