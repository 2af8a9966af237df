//! Long lines, broken between words at the width of the terminal.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

/// The lines of a text, each at most `width` columns with `indent` in front; one line without a
/// terminal. A word that is too long for a line has one of its own.
pub fn lines(text: &str, width: Option<u16>, indent: usize) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let room = usize::from(width).saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut taken = 0;
    for word in text.split(' ') {
        let wide = word.width();
        match lines.last_mut() {
            Some(line) if taken + 1 + wide <= room => {
                line.push(' ');
                line.push_str(word);
                taken += 1 + wide;
            }
            _ => {
                lines.push(word.to_owned());
                taken = wide;
            }
        }
    }
    lines
}

/// Writes a text after its first words, which may be coloured; later lines are indented by two more.
pub fn write(
    out: &mut (impl Write + ?Sized),
    indent: &str,
    first: &str,
    text: &str,
    width: Option<u16>,
) -> io::Result<()> {
    let gap = if first.is_empty() { "" } else { " " };
    // The first line has less room: a word that stands for what comes first, as wide as that.
    let lead = "x".repeat(visible(first));
    let more = if first.is_empty() {
        indent.len()
    } else {
        indent.len() + 2
    };
    for (index, line) in lines(&format!("{lead}{gap}{text}"), width, more)
        .iter()
        .enumerate()
    {
        match index {
            0 => writeln!(out, "{indent}{first}{}", &line[lead.len()..])?,
            _ => writeln!(out, "{:more$}{line}", "")?,
        }
    }
    Ok(())
}

/// The columns of a text, without colours.
fn visible(text: &str) -> usize {
    let parts = text
        .split('\x1b')
        .enumerate()
        .map(|(index, part)| match index {
            0 => part.width(),
            _ => part.split_once('m').map_or(0, |(_, rest)| rest.width()),
        });
    parts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_nothing_is_lost() {
        assert_eq!(lines("one two three", Some(8), 0), ["one two", "three"]);
        assert_eq!(lines("one two three", Some(24), 17), ["one two", "three"]);
        assert_eq!(
            lines("one two three four five", Some(24), 3),
            ["one two three four", "five"]
        );
        assert_eq!(lines("one two", None, 0), ["one two"]);
        assert_eq!(lines("unbreakable a", Some(4), 0), ["unbreakable", "a"]);
    }

    #[test]
    fn what_comes_first_takes_room_but_its_colours_do_not() {
        let mut out = Vec::new();
        write(
            &mut out,
            "  ",
            "\x1b[1mnext:\x1b[0m",
            "one two three",
            Some(15),
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  \x1b[1mnext:\x1b[0m one\n    two three\n");
    }
}
