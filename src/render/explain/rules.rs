//! A rule of the diagnosis: what it finds, how that is proven, what it is told from, what to do.

use std::io::{self, Write};

use serde::Serialize;

use super::super::table::Table;
use crate::diagnose::Rule;

/// Writes a rule, wrapped to the `width` of the terminal.
pub fn write(out: &mut dyn Write, rule: &Rule, width: Option<u16>) -> io::Result<()> {
    writeln!(out, "{} (finding): {}", rule.id, rule.title)?;
    let mut table = Table::new().indent(2);
    for (label, text) in [
        ("means:", rule.meaning),
        ("evidence:", rule.proof),
        ("look-alikes:", rule.look_alikes),
        ("next:", rule.next),
    ] {
        table.row(&[label, text]);
    }
    let causes = rule.because.iter();
    let causes: Vec<&str> = causes.map(|cause| cause.rule.id).collect();
    if !causes.is_empty() {
        table.row(&["caused by:", &causes.join(", ")]);
    }
    table.write(out, width)
}

/// Writes a line for each rule, as the list of entries has them.
pub fn write_list(out: &mut dyn Write, rules: &[&Rule], width: Option<u16>) -> io::Result<()> {
    let mut table = Table::new().header(&["FINDING", "MEANING"]);
    for rule in rules {
        table.row(&[rule.id, &format!("{}: {}", rule.title, rule.meaning)]);
    }
    table.write(out, width)
}

/// A rule in the document of `--json`.
#[derive(Debug, Serialize)]
pub struct RuleJson {
    id: &'static str,
    title: &'static str,
    meaning: &'static str,
    proof: &'static str,
    look_alikes: &'static str,
    next: &'static str,
    caused_by: Vec<&'static str>,
}

impl From<&&'static Rule> for RuleJson {
    fn from(rule: &&'static Rule) -> Self {
        let causes = rule.because.iter();
        RuleJson {
            id: rule.id,
            title: rule.title,
            meaning: rule.meaning,
            proof: rule.proof,
            look_alikes: rule.look_alikes,
            next: rule.next,
            caused_by: causes.map(|cause| cause.rule.id).collect(),
        }
    }
}
