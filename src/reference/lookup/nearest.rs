//! What somebody may have meant.

use super::{Term, bounded, words};

/// The limit of suggestions that are read.
const MAX_SUGGESTIONS: usize = 5;

/// Edit distance costs the product of the lengths: no more of a query than this is compared.
const MAX_BYTES: usize = 128;
const MAX_TOKENS: usize = 16;

/// Below this likeness a suggestion only confuses.
const LIKE_ENOUGH: f64 = 0.6;

/// A part of a query must be very like a term: the other parts are ordinary words.
const PART_LIKE_ENOUGH: f64 = 0.75;

/// A term that contains the query is a better guess than a vague likeness, and worse than a slip of
/// the finger.
const CONTAINED: f64 = 0.7;

/// The names and messages nearest to a query, the nearest first, one for each entry.
///
/// What is suggested has the words of the query, each but for a slip of the finger: `Connection
/// closed` is as like to `Connection refused` as a misspelt one, and means something else.
pub(super) fn to(query: &str, terms: &[Term]) -> Vec<&'static str> {
    let query = bounded(query, MAX_BYTES);
    let mut tokens = words::tokens(query);
    tokens.truncate(MAX_TOKENS);
    let scored = terms
        .iter()
        .map(|term| (likeness(query, &tokens, term), term));
    let mut scored: Vec<(f64, &Term)> = scored.filter(|(score, _)| *score > 0.0).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));

    let mut kept: Vec<&Term> = Vec::new();
    for (_, term) in scored {
        let is_new = |other: &&Term| other.entry != term.entry && other.text != term.text;
        if kept.len() < MAX_SUGGESTIONS && kept.iter().all(is_new) {
            kept.push(term);
        }
    }
    kept.iter().map(|term| term.text).collect()
}

/// From 0, which is not alike enough, to 1.
fn likeness(query: &str, tokens: &[&str], term: &Term) -> f64 {
    let mut best = slipped(query, term.text, LIKE_ENOUGH);
    let (text, lower) = (term.text.to_lowercase(), query.to_lowercase());
    if lower.chars().count() >= 3 && text.contains(&lower) {
        best = best.max(CONTAINED);
    }
    // A state is often an ordinary word: `closed` in a line is not a typo for CLOSE.
    if term.is_state && !text.contains(['_', '-']) {
        return best;
    }
    // As many words of the line as the term has.
    for part in tokens.windows(text.split(' ').count()) {
        let part = part.join(" ");
        if part.len() >= 5 {
            best = best.max(slipped(&part, term.text, PART_LIKE_ENOUGH));
        }
    }
    best
}

/// How like two texts are that differ by slips only; 0 if a word differs by more, and below
/// `enough`.
fn slipped(query: &str, term: &str, enough: f64) -> f64 {
    let (ours, theirs) = (parts(query), parts(term));
    let same = if ours.len() == theirs.len() {
        ours.iter().zip(&theirs).all(|(a, b)| is_slip(a, b))
    } else {
        // A space too few or too many, or a word too few or too many.
        is_slip(&ours.concat(), &theirs.concat()) || is_within(&ours, &theirs)
    };
    if !same {
        return 0.0;
    }
    let score = strsim::normalized_damerau_levenshtein(&query.to_lowercase(), &term.to_lowercase());
    if score >= enough { score } else { 0.0 }
}

/// Whether all words of the shorter text are in the longer one, in order, and what the longer one
/// has besides are small words: `Connection was refused`.
fn is_within(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut wanted = short.iter().peekable();
    let is_in_order = long.iter().all(|word| {
        let is_next = wanted.next_if(|next| is_slip(next, word)).is_some();
        is_next || word.chars().count() < 4
    });
    is_in_order && wanted.next().is_none() && short.len() >= 2
}

/// Whether one word may be a slip of the finger for the other: one letter in five may be wrong, one
/// of four too, and no digit.
fn is_slip(a: &str, b: &str) -> bool {
    let digits = |word: &str| -> String { word.chars().filter(char::is_ascii_digit).collect() };
    let (one, other) = (a.chars().count(), b.chars().count());
    let length = one.max(other);
    let allowed = if length < 4 { 0 } else { (length / 5).max(1) };
    one.abs_diff(other) <= allowed
        && digits(a) == digits(b)
        && strsim::damerau_levenshtein(a, b) <= allowed
}

/// The words of a text in lower case, those of `CONNECTION_REFUSED` and `ConnectionRefused` too.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in text.chars() {
        if !c.is_alphanumeric() || (was_lower && c.is_uppercase()) {
            parts.push(String::new());
        }
        if c.is_alphanumeric() {
            parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.extend(c.to_lowercase()));
        }
        was_lower = c.is_lowercase();
    }
    parts.retain(|part| !part.is_empty());
    parts
}
