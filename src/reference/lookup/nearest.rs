//! What somebody may have meant.

use super::{Term, bounded, words};

/// So many suggestions are read; more are not.
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
pub(super) fn to(query: &str, terms: &[Term]) -> Vec<&'static str> {
    let query = bounded(query, MAX_BYTES).to_lowercase();
    let mut tokens = words::tokens(&query);
    tokens.truncate(MAX_TOKENS);
    let scored = terms
        .iter()
        .map(|term| (likeness(&query, &tokens, term.text), term));
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
fn likeness(query: &str, tokens: &[&str], term: &str) -> f64 {
    let term = term.to_lowercase();
    let whole = strsim::normalized_damerau_levenshtein(query, &term);
    let mut best = if whole >= LIKE_ENOUGH { whole } else { 0.0 };
    if query.chars().count() >= 3 && term.contains(query) {
        best = best.max(CONTAINED);
    }
    // As many words of the line as the term has.
    let length = term.split(' ').count();
    for part in tokens.windows(length) {
        let part = part.join(" ");
        if part.len() >= 5 {
            let score = strsim::normalized_damerau_levenshtein(&part, &term);
            if score >= PART_LIKE_ENOUGH {
                best = best.max(score);
            }
        }
    }
    best
}
