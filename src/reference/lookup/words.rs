//! Taking a query apart into words.

use std::ops::Range;

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
pub(super) fn find(line: &str, phrase: &str) -> Option<Range<usize>> {
    let ranges = line
        .match_indices(phrase)
        .map(|(at, _)| at..at + phrase.len());
    let is_apart = |range: &Range<usize>| {
        let before = line[..range.start].chars().next_back();
        let after = line[range.end..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    };
    ranges.into_iter().find(is_apart)
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
        assert_eq!(find("the file exists", "file exists"), Some(4..15));
        assert_eq!(
            find("profile exists; file exists", "file exists"),
            Some(16..27)
        );
        assert_eq!(find("file existsing", "file exists"), None);
    }
}
