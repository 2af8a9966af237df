use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::sockets::filter::Filter;
use crate::top::testing::busy;
use crate::top::{Key, SortBy};

/// What a terminal of this size shows after these keys.
fn terminal(size: [u16; 2], keys: &[Key]) -> Terminal<TestBackend> {
    let (look, memory) = busy();
    let mut view = View::new(Filter::default(), String::new());
    let mut rows = Rows::new(&look, &view, &memory);
    view.fit(&rows, room(size[1]));
    for key in keys {
        view.press(*key, &rows, memory.troubles.len());
        rows = Rows::new(&look, &view, &memory);
        view.fit(&rows, room(size[1]));
    }
    let screen = Screen {
        look: &look,
        rows: &rows,
        view: &view,
        memory: &memory,
        names: &Names::default(),
        host: "web1",
        interval: Duration::from_secs(2),
        palette: Palette {
            colour: true,
            ascii: keys.first() == Some(&ASCII),
        },
    };
    let mut terminal = Terminal::new(TestBackend::new(size[0], size[1])).expect("a terminal");
    let drawn = terminal.draw(|frame| draw(frame.area(), frame.buffer_mut(), &screen));
    drawn.expect("a picture");
    terminal
}

/// In front of the keys: the terminal shows ASCII only. The key itself does nothing.
const ASCII: Key = Key::Refresh;

#[test]
fn a_terminal_without_utf_8_gets_ascii() {
    for keys in [&[ASCII][..], &[ASCII, Key::Down, Key::Enter]] {
        for size in [[40, 20], [80, 24], [120, 40]] {
            let text = lines(size, keys);
            assert!(text.is_ascii(), "{size:?}:\n{text}");
        }
    }
    // The same picture has other letters where they are shown.
    assert!(!lines([40, 20], &[Key::Down]).is_ascii());
}

fn lines(size: [u16; 2], keys: &[Key]) -> String {
    let terminal = terminal(size, keys);
    plain::lines(terminal.backend().buffer()).join("\n") + "\n"
}

/// Compares a screen with a file, or writes the file: `SOCKDOC_UPDATE=screens cargo test --lib render::top`.
fn golden(name: &str, size: [u16; 2], keys: &[Key]) {
    let path = format!(
        "{}/src/render/top/screens/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let seen = lines(size, keys);
    if std::env::var_os("SOCKDOC_UPDATE").is_some_and(|what| what == "screens") {
        std::fs::write(&path, &seen).expect("written");
    }
    let wanted = std::fs::read_to_string(&path).expect("a golden screen");
    assert_eq!(seen, wanted, "{name}:\n{seen}");
}

#[test]
fn rows_at_several_sizes() {
    golden("rows-80x24", [80, 24], &[Key::Down]);
    golden("rows-40x20", [40, 20], &[]);
    golden("rows-120x40", [120, 40], &[Key::End, Key::Up, Key::Up]);
    golden("rows-300x10", [300, 10], &[]);
}

#[test]
fn groups_findings_details_and_help() {
    golden("groups-80x24", [80, 24], &[Key::Char('g')]);
    golden("findings-80x24", [80, 24], &[Key::Char('f')]);
    golden("details-80x40", [80, 40], &[Key::Down, Key::Enter]);
    golden("help-80x30", [80, 30], &[Key::Char('?')]);
    golden("help-40x40", [40, 40], &[Key::Char('?')]);
}

#[test]
fn no_size_and_no_key_breaks_the_picture() {
    let panes: [&[Key]; 4] = [
        &[Key::Down],
        &[Key::Down, Key::Enter, Key::End],
        &[Key::Char('f'), Key::Down],
        &[Key::Char('?'), Key::PageDown],
    ];
    for width in [1, 2, 3, 9, 20, 39, 41, 79, 81, 119, 500] {
        for height in [1, 2, 3, 5, 8, 9, 15, 16, 60] {
            for keys in panes {
                let shown = lines([width, height], keys);
                assert_eq!(shown.lines().count(), usize::from(height));
            }
        }
    }
}

#[test]
fn names_of_processes_cannot_write_on_the_screen() {
    let shown = lines([200, 20], &[]);
    assert!(
        !shown.contains('\u{1b}') && shown.contains("\\x1b"),
        "{shown}"
    );
}

#[test]
fn the_marks_say_what_the_colours_say() {
    let terminal = terminal([80, 24], &[]);
    let buffer = terminal.backend().buffer();
    let row_of = |text: &str| {
        let lines = plain::lines(buffer);
        let found = lines.iter().position(|line| line.contains(text));
        u16::try_from(found.expect("a row")).expect("a small number")
    };
    let cell = |x, y| buffer.cell((x, y)).expect("a cell");
    let new = row_of("[2001");
    assert_eq!((cell(0, new).symbol(), cell(0, new).fg), ("+", Color::Cyan));
    let closed = row_of("closed");
    assert_eq!(cell(0, closed).symbol(), "-");
    assert!(cell(0, closed).modifier.contains(Modifier::DIM));
    let full = row_of("8080");
    assert_eq!(
        (cell(79, full).symbol(), cell(79, full).fg),
        ("!", Color::Yellow)
    );
}

#[test]
fn orders_have_names_that_can_be_typed() {
    for name in SortBy::names().split(", ") {
        assert_eq!(SortBy::named(name).map(SortBy::name), Some(name));
    }
}
