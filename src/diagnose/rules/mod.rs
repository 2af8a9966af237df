//! The rules, one file each.

use super::{Evidence, Finding};

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// The id of its finding.
    pub id: &'static str,
    /// Looks at one sample.
    pub check: fn(&Evidence<'_>) -> Option<Finding>,
}

/// All rules.
pub const ALL: &[Rule] = &[];
