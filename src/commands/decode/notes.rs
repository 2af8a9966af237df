//! What is said after a run with a filter: that it could not match, and where it did not look.

use crate::commands::serving::tell;
use crate::dissect::{Behind, Totals};
use crate::filter::Filter;

/// What is known of the filter before the run.
pub(super) struct Notes {
    text: String,
    has_vlan: bool,
}

impl Notes {
    pub(super) fn of(filter: &Filter) -> Notes {
        Notes {
            text: filter.text().to_owned(),
            has_vlan: filter.has_vlan(),
        }
    }

    /// Says it on standard error.
    pub(super) fn tell(&self, totals: &Totals) {
        if let Some(link) = totals.rejected {
            tell(&format!(
                "the expression rejects all packets: no {link} frame can match '{}'",
                self.text
            ));
        }
        let mut needs_inside = false;
        let unseen = &totals.unseen;
        for ((behind, missed), taken) in Behind::ALL.iter().zip(unseen.missed).zip(unseen.taken) {
            if missed > 0 {
                let line = format!(
                    "{} '{}' only {}, where it does not look",
                    frames(missed, "matches", "match"),
                    self.text,
                    behind.words()
                );
                let tagged = self.with_tags(totals).filter(|_| *behind == Behind::Tags);
                needs_inside |= tagged.is_none();
                tell(&match tagged {
                    Some(filter) => format!("{line}: use '{filter}' or --inside"),
                    None => line,
                });
            }
            // Who asks for what is around a tunnel gets that.
            if taken > 0 && *behind != Behind::Tunnel {
                needs_inside = true;
                tell(&format!(
                    "{} '{}' only because it does not look {}",
                    frames(taken, "matches", "match"),
                    self.text,
                    behind.words()
                ));
            }
        }
        if needs_inside {
            tell("next: with --inside, the filter looks at the innermost packet of each frame");
        }
    }

    /// The filter for frames with as many tags as those that were missed, if all have as many.
    fn with_tags(&self, totals: &Totals) -> Option<String> {
        let (most, fewest) = totals.unseen.tags?;
        let is_known = most == fewest && !self.has_vlan;
        let is_one = !self.text.contains(" or ") && !self.text.contains("||");
        is_known.then(|| {
            let tags = "vlan and ".repeat(usize::from(most));
            if is_one {
                format!("{tags}{}", self.text)
            } else {
                format!("{tags}({})", self.text)
            }
        })
    }

    /// The same when nothing was written to a file.
    pub(super) fn tell_empty(&self, name: &str, totals: &Totals) {
        let why = match totals.frames {
            0 => "the capture has no frames".to_owned(),
            frames => format!(
                "none of the {frames} frames {} '{}'",
                if frames == 1 { "matches" } else { "match" },
                self.text
            ),
        };
        tell(&format!("{name} has no frames: {why}"));
    }
}

fn frames(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 frame {one}"),
        _ => format!("{count} frames {many}"),
    }
}
