//! Taking a query apart into words.

use std::ops::Range;

use super::terms::Part;

/// The words and numbers of a line. A `.`, `_` or `-` inside belongs to the word, so that addresses
/// and names stay whole; a `-` in front belongs to a number only.
pub(super) fn tokens(line: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    line.split(|c| !is_part(c))
        .map(|token| {
            let token = token.trim_end_matches(['-', '.']);
            let bare = token.trim_start_matches(['-', '.']);
            let is_negative = bare.starts_with(|c: char| c.is_ascii_digit())
                && token[..token.len() - bare.len()].ends_with('-');
            if is_negative {
                &token[token.len() - bare.len() - 1..]
            } else {
                bare
            }
        })
        .filter(|token| !token.is_empty())
        .collect()
}

/// The last part of a dotted name: `ConnectException` of `java.net.ConnectException`.
pub(super) fn last(token: &str) -> &str {
    token.rsplit('.').next().unwrap_or(token)
}

/// The form in which names are compared: lower case, with `_` for a space or a `-`, without
/// punctuation around it.
pub(super) fn plain(text: &str) -> String {
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    let lower = bare.chars().flat_map(char::to_lowercase);
    lower
        .map(|c| if matches!(c, ' ' | '-') { '_' } else { c })
        .collect()
}

/// Where a phrase stands in a line, not as a part of longer words.
pub(super) fn find(line: &str, part: &Part) -> Option<Range<usize>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let phrase = &*part.text;
    let begins_word = part.begins_word && phrase.starts_with(is_word);
    let ends_word = part.ends_word && phrase.ends_with(is_word);
    let ranges = line
        .match_indices(phrase)
        .map(|(at, _)| at..at + phrase.len());
    let is_apart = |range: &Range<usize>| {
        let before = begins_word && line[..range.start].ends_with(is_word);
        let after = ends_word && line[range.end..].starts_with(is_word);
        !before && !after
    };
    ranges.into_iter().find(is_apart)
}

/// Where the words of letters, digits and `_` are.
pub(super) fn runs(line: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (start, is_part(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_with_addresses_names_and_negative_numbers_whole() {
        assert_eq!(
            tokens("a: [Errno -2] 10.0.0.1:80, close-wait (x-1)... --y"),
            [
                "a",
                "Errno",
                "-2",
                "10.0.0.1",
                "80",
                "close-wait",
                "x-1",
                "y"
            ]
        );
        assert_eq!(tokens("icmp 3/4"), ["icmp", "3", "4"]);
        assert_eq!(tokens("-. -"), Vec::<&str>::new());
    }

    #[test]
    fn a_phrase_is_not_found_inside_of_longer_words() {
        let phrase = Part {
            text: "file exists".to_owned(),
            begins_word: true,
            ends_word: true,
        };
        assert_eq!(find("the file exists", &phrase), Some(4..15));
        assert_eq!(find("profile exists; file exists", &phrase), Some(16..27));
        assert_eq!(find("file existsing", &phrase), None);
    }
}
