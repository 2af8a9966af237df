//! The man pages match the commands' help.

use std::path::Path;

/// Every page as `clap_mangen` makes it from the parser, by file name.
fn pages() -> Vec<(String, Vec<u8>)> {
    // There is not a page sockdoc-help(1) to refer to.
    let mut parser = sockdoc::cli::command().disable_help_subcommand(true);
    parser.build();
    let mut pages = vec![("sockdoc.1".to_owned(), page(&parser))];
    for command in parser.get_subcommands() {
        // A command's name must outlive it; a test may leak a few.
        let name: &'static str = format!("sockdoc-{}", command.get_name()).leak();
        let command = command.clone().name(name).display_name(name);
        pages.push((format!("{name}.1"), page(&command)));
    }
    pages
}

fn page(command: &clap::Command) -> Vec<u8> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .expect("a Vec takes every write");
    text
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
        let stands = std::fs::read(&file).unwrap_or_default();
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
