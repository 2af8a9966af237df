//! Findings, with what proves each and what to do.

use super::Page;
use crate::diagnose::{Block, NextStep, Severity};
use crate::render::counted;
use crate::render::finding::{fact, subjects};
use crate::render::sockets::Sheet;

/// The class of a severity.
pub(super) fn class(severity: Severity) -> &'static str {
    severity.word()
}

/// A finding, and its effects in it.
pub(super) fn write(page: &mut Page, block: &Block, sheet: &Sheet<'_>) {
    let finding = &block.finding;
    page.open("article", class(finding.severity));
    page.open("h3", "");
    page.element("span", "tag", finding.severity.word());
    page.text(&finding.headline);
    page.close("h3");
    page.open("dl", "");
    part(page, "subject", &subjects(finding, sheet));
    part(page, "means", &[finding.meaning.to_owned()]);
    let evidence: Vec<String> = finding.facts.iter().map(fact).collect();
    part(page, "evidence", &evidence);
    part(page, "ruled out", &[finding.ruled_out.to_owned()]);
    if !finding.next.is_empty() {
        page.element("dt", "", "next");
        page.open("dd", "");
        for step in &finding.next {
            match step {
                NextStep::Command(_) => page.element("pre", "", &step.to_string()),
                NextStep::Sentence(_) => page.element("p", "", &step.to_string()),
            }
        }
        page.close("dd");
    }
    page.close("dl");
    for effect in &block.effects {
        write(page, effect, sheet);
    }
    page.close("article");
}

/// A title and its lines; nothing if there are none.
fn part(page: &mut Page, title: &str, lines: &[String]) {
    let mut title = title;
    for line in lines.iter().filter(|line| !line.is_empty()) {
        page.element("dt", "", title);
        page.element("dd", "", line);
        title = "";
    }
}

/// `2 errors and 1 warning`; nothing if there are none.
pub(super) fn counts(blocks: &[Block]) -> String {
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Notice]
        .into_iter()
        .filter_map(|severity| {
            let these = blocks.iter();
            let count = these
                .filter(|block| block.finding.severity == severity)
                .count();
            (count > 0).then(|| counted(count as u64, severity.word()))
        })
        .collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
