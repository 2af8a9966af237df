//! One check after the other: what changes from one to the next.

use std::net::{IpAddr, SocketAddr};

use super::report::Report;
use crate::check::Layer;
use crate::dns::Lookup;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Whether it can be reached and nothing is wrong.
    pub is_well: bool,
    /// The layer and the rule that come first, and what they say.
    key: (bool, Option<Layer>, Option<&'static str>),
    headline: String,
    addresses: Vec<IpAddr>,
    outcomes: Vec<(SocketAddr, &'static str)>,
}

impl Round {
    /// What a report comes to.
    pub fn of(report: &Report<'_>) -> Round {
        let lookup = report.lookup.map(Lookup::addresses);
        let mut addresses: Vec<IpAddr> = lookup
            .unwrap_or_default()
            .iter()
            .map(SocketAddr::ip)
            .collect();
        // Servers of names turn the order round.
        addresses.sort_unstable();
        let outcomes = report.attempts.iter();
        Round {
            is_well: report.is_well(),
            key: (
                report.is_reachable(),
                report.first_bad(),
                report.first().map(|block| block.finding.rule.id),
            ),
            headline: report.headline(),
            addresses,
            outcomes: outcomes.map(|it| (it.to, it.outcome.word())).collect(),
        }
    }

    /// What is different from the check before, a line each.
    pub fn since(&self, before: &Round) -> Vec<String> {
        let mut lines = Vec::new();
        if self.key != before.key || self.is_well != before.is_well {
            lines.push(self.headline.clone());
        }
        let list = |ips: &[IpAddr]| {
            let ips: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
            if ips.is_empty() {
                "none".to_owned()
            } else {
                ips.join(" ")
            }
        };
        if self.addresses != before.addresses {
            lines.push(format!(
                "addresses of the name: {}; before: {}",
                list(&self.addresses),
                list(&before.addresses)
            ));
        }
        if self.key == before.key {
            for (to, outcome) in &self.outcomes {
                let same = before.outcomes.iter().find(|(of, _)| of == to);
                if let Some((_, was)) = same.filter(|(_, was)| was != outcome) {
                    lines.push(format!("{to}: {outcome}; before: {was}"));
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(
        key: (bool, Option<Layer>, Option<&'static str>),
        ip: u8,
        outcome: &'static str,
    ) -> Round {
        Round {
            is_well: key.2.is_none(),
            key,
            headline: format!("it is {}", key.2.unwrap_or("reachable")),
            addresses: vec![[10, 9, 1, ip].into()],
            outcomes: vec![(([10, 9, 1, ip], 80).into(), outcome)],
        }
    }

    #[test]
    fn what_stays_the_same_is_not_told_and_what_changes_is() {
        let well = round((true, None, None), 1, "open");
        let refused = round(
            (false, Some(Layer::Connect), Some("port_closed")),
            1,
            "refused",
        );
        assert_eq!(well.since(&well), [""; 0]);
        assert_eq!(refused.since(&well), ["it is port_closed"]);
        assert_eq!(well.since(&refused), ["it is reachable"]);
        let moved = round((true, None, None), 2, "open");
        assert_eq!(
            moved.since(&well),
            ["addresses of the name: 10.9.1.2; before: 10.9.1.1"]
        );
        let slow = round((true, None, None), 1, "overtaken");
        assert_eq!(slow.since(&well), ["10.9.1.1:80: overtaken; before: open"]);
        // The words of a headline may have a time in them, which is never the same.
        let other = Round {
            headline: "it is reachable in 2 ms".to_owned(),
            ..well.clone()
        };
        assert_eq!(other.since(&well), [""; 0]);
    }
}
