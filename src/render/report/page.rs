//! The page that a report is written on.
//!
//! The invariant: text that is not our own reaches the page only through [`Page::text`] and what uses it, which
//! replaces what is to be redacted, escapes what a browser could obey, and cuts what is too long.

use std::borrow::Cow;
use std::fmt::{Arguments, Write as _};

use super::TextRedactor;
use crate::render::escape;

/// No text is longer, in characters.
const LONGEST: usize = 4000;

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page {
    body: String,
    redactor: Option<TextRedactor>,
    is_redacted: bool,
}

impl Page {
    /// An empty page, on which addresses and names are replaced if there is a redactor.
    pub fn new(redactor: Option<TextRedactor>) -> Page {
        Page {
            body: String::new(),
            is_redacted: redactor.is_some(),
            redactor,
        }
    }

    /// An empty page about values in which addresses and names were replaced before, or not.
    pub fn about(is_redacted: bool) -> Page {
        Page {
            is_redacted,
            ..Page::default()
        }
    }

    /// Whether addresses and names are replaced.
    pub fn is_redacted(&self) -> bool {
        self.is_redacted
    }

    /// Our own markup: it holds numbers and words of this program, nothing else.
    pub(super) fn markup(&mut self, markup: Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.body.write_fmt(markup);
    }

    /// Text from anywhere.
    pub fn text(&mut self, text: &str) {
        let text = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
            None => Cow::Borrowed(text),
        };
        let text = match &mut self.redactor {
            Some(redactor) => Cow::Owned(redactor.text(&text)),
            None => text,
        };
        for c in escape::text(&text).chars() {
            match c {
                '&' => self.body.push_str("&amp;"),
                '<' => self.body.push_str("&lt;"),
                '>' => self.body.push_str("&gt;"),
                '"' => self.body.push_str("&quot;"),
                '\'' => self.body.push_str("&#39;"),
                c => self.body.push(c),
            }
        }
    }

    /// An element with text in it; `class` may be empty.
    pub(super) fn element(&mut self, tag: &'static str, class: &'static str, text: &str) {
        self.open(tag, class);
        self.text(text);
        self.close(tag);
    }

    pub(super) fn open(&mut self, tag: &'static str, class: &'static str) {
        if class.is_empty() {
            self.markup(format_args!("<{tag}>"));
        } else {
            self.markup(format_args!("<{tag} class=\"{class}\">"));
        }
    }

    pub(super) fn close(&mut self, tag: &'static str) {
        self.markup(format_args!("</{tag}>\n"));
    }

    /// A section with its heading.
    pub(super) fn section(&mut self, heading: &str, write: impl FnOnce(&mut Page)) {
        self.open("section", "");
        self.element("h2", "", heading);
        write(self);
        self.close("section");
    }

    /// A table; columns from `numbers` on are aligned right.
    pub(super) fn table(
        &mut self,
        header: &[&str],
        numbers: &[usize],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) {
        self.markup(format_args!("<div class=\"wide\"><table>\n<tr>"));
        let class = |index: usize| if numbers.contains(&index) { "num" } else { "" };
        for (index, title) in header.iter().enumerate() {
            self.open("th", class(index));
            self.text(title);
            self.markup(format_args!("</th>"));
        }
        self.close("tr");
        for row in rows {
            self.open("tr", "");
            for (index, cell) in row.iter().enumerate() {
                self.open("td", class(index));
                self.text(cell);
                self.markup(format_args!("</td>"));
            }
            self.close("tr");
        }
        self.markup(format_args!("</table></div>\n"));
    }

    /// The whole document. The title is escaped and redacted as all text is.
    pub fn finish(mut self, title: &str) -> String {
        let body = std::mem::take(&mut self.body);
        self.text(title);
        let title = std::mem::take(&mut self.body);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )
    }
}

/// Light, dark and printed. Colours never stand alone: a word says the same.
const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_become_markup() {
        let mut page = Page::new(None);
        page.element("p", "", "<script>alert('&\"')</script>\u{202e}\n");
        page.table(&["<b>"], &[], [vec!["</td><img src=x>".to_owned()]]);
        let html = page.finish("</title><script>");
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"));
        assert!(html.contains(
            "<p>&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\\u{202e}\\n</p>"
        ));
        assert!(html.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"));
    }

    #[test]
    fn a_long_text_is_cut() {
        let mut page = Page::new(None);
        page.text(&"x".repeat(100_000));
        assert!(page.body.len() < LONGEST + 10);
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let html = Page::new(None).finish("t");
        for word in [
            "http://", "https://", "<script", "<link", "url(", "@import", "src=",
        ] {
            assert!(!html.contains(word), "{word}");
        }
    }
}
