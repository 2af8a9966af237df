//! All that was found of a target, as layers with their verdicts.

use std::time::Duration;

use super::attempt::{Attempt, Outcome, Step, shown};
use super::layer::{Layer, Verdict};
use super::target::Target;
use crate::diagnose::{Block, Severity};
use crate::dns::{Lookup, SystemAnswer};
use crate::host::Network;

/// All that was found.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was checked.
    pub target: &'a Target,
    /// The name.
    pub lookup: Option<&'a Lookup>,
    /// The addresses, in the order in which programs try them.
    pub attempts: &'a [Attempt],
    /// The network stack that the attempts left by.
    pub network: Option<&'a Network>,
    /// What was seen besides, in the order of the layers.
    pub said: &'a [(Layer, Line)],
    /// Whether a connection was made that is not among the attempts.
    pub is_connected: bool,
    /// What is wrong: first causes with their effects.
    pub blocks: &'a [Block],
    /// Whether the rules of this host's firewall were read.
    pub saw_firewall: bool,
    /// All in all.
    pub time: Duration,
}

/// What is said of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerReport {
    /// Which.
    pub layer: Layer,
    /// Whether it works.
    pub verdict: Verdict,
    /// What was seen, a line for each address or part.
    pub lines: Vec<Line>,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was seen.
    pub text: String,
    /// How long that took.
    pub time: Option<Duration>,
    /// Whether it is how it should be.
    pub is_good: bool,
}

impl Line {
    /// One without a time.
    pub fn new(text: String, is_good: bool) -> Line {
        Line {
            text,
            time: None,
            is_good,
        }
    }
}

impl Report<'_> {
    /// Whether a connection was made.
    pub fn is_reachable(&self) -> bool {
        self.is_connected || self.attempts.iter().any(|it| it.outcome == Outcome::Open)
    }

    /// Whether it can be reached and nothing is wrong, as far as that is known.
    pub fn is_well(&self) -> bool {
        let worst = self.blocks.iter().map(Block::worst).max();
        self.is_reachable() && worst < Some(Severity::Warning)
    }

    /// Whether the name gave no address.
    fn has_no_address(&self) -> bool {
        self.attempts.is_empty() && self.lookup.is_some()
    }

    /// The first layer that failed; of a target that can be reached the first about which something is wrong.
    pub fn first_bad(&self) -> Option<Layer> {
        let Some(severity) = self.blocks.iter().map(Block::worst).max() else {
            let without = if self.has_no_address() {
                Layer::Name
            } else {
                Layer::Connect
            };
            return (!self.is_reachable()).then_some(without);
        };
        if severity < Severity::Warning {
            return None;
        }
        let worst = self.blocks.iter().filter(|it| it.worst() == severity);
        worst.map(|it| Layer::of(it.finding.rule)).min()
    }

    /// The finding that comes first: that of the first bad layer.
    pub fn first(&self) -> Option<&Block> {
        let layer = self.first_bad()?;
        let mut blocks = self.blocks.iter();
        blocks.find(|it| Layer::of(it.finding.rule) == layer && it.worst() >= Severity::Warning)
    }

    /// The conclusion in one sentence.
    pub fn headline(&self) -> String {
        let target = &self.target.shown;
        let why = self.first().map(|block| block.finding.headline.as_str());
        match (self.is_reachable(), why) {
            (true, None) => format!("{target} is reachable"),
            (true, Some(why)) => format!("{target} is reachable, but {why}"),
            (false, Some(why)) => format!("{target} is unreachable: {why}"),
            (false, None) => {
                let words = match (self.attempts.first(), self.lookup) {
                    (Some(attempt), _) => attempt.words(),
                    (None, Some(_)) => "the name has no address".to_owned(),
                    (None, None) => "no connection was made".to_owned(),
                };
                format!("{target} is unreachable: {words}")
            }
        }
    }

    /// The layers that something is known of.
    pub fn layers(&self) -> Vec<LayerReport> {
        let all = Layer::ALL.into_iter().map(|layer| {
            let lines = self.lines(layer);
            LayerReport {
                layer,
                verdict: self.verdict(layer, &lines),
                lines,
            }
        });
        all.filter(|it| !it.lines.is_empty() || it.verdict == Verdict::Failed)
            .collect()
    }

    fn verdict(&self, layer: Layer, lines: &[Line]) -> Verdict {
        let of_layer = |it: &&Block| Layer::of(it.finding.rule) == layer;
        let worst = self
            .blocks
            .iter()
            .filter(of_layer)
            .map(|it| it.finding.severity);
        let is_unexplained = !self.is_reachable() && self.blocks.is_empty();
        match worst.max() {
            _ if layer == Layer::Name && is_unexplained && self.has_no_address() => Verdict::Failed,
            _ if layer == Layer::Connect && is_unexplained && !self.has_no_address() => {
                Verdict::Failed
            }
            Some(Severity::Error) => Verdict::Failed,
            Some(Severity::Warning) => Verdict::Doubtful,
            _ if lines.is_empty() => Verdict::Unknown,
            _ if lines.iter().any(|line| line.is_good) => Verdict::Passed,
            _ => Verdict::Unknown,
        }
    }

    fn lines(&self, layer: Layer) -> Vec<Line> {
        let said = self.said.iter().filter(|(of, _)| *of == layer);
        let said: Vec<Line> = said.map(|(_, line)| line.clone()).collect();
        if layer == Layer::Server {
            return [said, self.finding_lines(layer)].concat();
        }
        if !said.is_empty() {
            return said;
        }
        match layer {
            Layer::Name => self.name_lines(),
            Layer::Route => {
                self.of_steps(|step| Line::new(step.route_words(), step.leads_somewhere()))
            }
            Layer::Neighbour => self.of_steps(|step| Line::new(step.hop_words(), true)),
            Layer::Firewall => self.firewall_lines(),
            Layer::Connect => self.connect_lines(),
            Layer::Path
            | Layer::Proxy
            | Layer::Mtu
            | Layer::Tls
            | Layer::Protocol
            | Layer::Server
            | Layer::Idle => self.finding_lines(layer),
        }
    }

    fn name_lines(&self) -> Vec<Line> {
        let is_name = |it: &&Lookup| it.name.parse::<std::net::IpAddr>().is_err();
        let Some(lookup) = self.lookup.filter(is_name) else {
            return Vec::new();
        };
        let (text, is_good) = match &lookup.system {
            SystemAnswer::Addresses { .. } => {
                let addresses = lookup.addresses().iter().take(8);
                let addresses: Vec<String> = addresses.map(|it| it.ip().to_string()).collect();
                let more = match lookup.addresses().len().saturating_sub(8) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let from = if lookup.hosts.is_empty() {
                    ""
                } else {
                    " from /etc/hosts"
                };
                (format!("{}{more}{from}", addresses.join(" ")), true)
            }
            SystemAnswer::Failed { code, cause, .. } => (format!("{cause} ({code})"), false),
            SystemAnswer::Pending => (
                format!("{} has not returned", lookup.resolver.words()),
                false,
            ),
        };
        let line = Line {
            time: Some(lookup.time),
            ..Line::new(text, is_good)
        };
        vec![line]
    }

    /// A line for each way that packets leave by, with the addresses that take it if there are several ways.
    fn of_steps(&self, line: impl Fn(&Step<'_>) -> Line) -> Vec<Line> {
        let Some(network) = self.network else {
            return Vec::new();
        };
        let mut lines: Vec<(Line, String)> = Vec::new();
        for attempt in self.attempts {
            let ip = attempt.to.ip();
            let Some(step) = Step::of(network, ip) else {
                continue;
            };
            let line = line(&step);
            if line.text.is_empty() {
                continue;
            }
            if lines.iter().all(|(known, _)| *known != line) {
                lines.push((line, ip.to_string()));
            }
        }
        let is_one = self.attempts.len() < 2;
        let named = |(line, ip): (Line, String)| {
            let text = if is_one {
                line.text
            } else {
                format!("{ip}: {}", line.text)
            };
            Line { text, ..line }
        };
        lines.into_iter().map(named).collect()
    }

    fn firewall_lines(&self) -> Vec<Line> {
        let lines = self.finding_lines(Layer::Firewall);
        let leaves = |attempt: &Attempt| {
            let step = self.network.and_then(|it| Step::of(it, attempt.to.ip()));
            step.is_some_and(|step| step.leads_somewhere() && step.answers())
        };
        if !lines.is_empty() || !self.attempts.iter().any(leaves) {
            return lines;
        }
        if !self.saw_firewall {
            let text = "its rules cannot be read; run as root (needs CAP_NET_ADMIN)";
            return vec![Line::new(text.to_owned(), self.is_reachable())];
        }
        let text = "the rules of this host let the packets pass";
        vec![Line::new(text.to_owned(), true)]
    }

    fn connect_lines(&self) -> Vec<Line> {
        let is_one = self.attempts.len() < 2;
        let line = |attempt: &Attempt| {
            let words = attempt.words();
            let text = if is_one {
                words
            } else {
                format!("{}: {words}", attempt.to)
            };
            Line {
                time: Some(attempt.time),
                ..Line::new(text, attempt.outcome == Outcome::Open)
            }
        };
        self.attempts.iter().map(line).collect()
    }

    /// The findings of a layer, as its lines.
    fn finding_lines(&self, layer: Layer) -> Vec<Line> {
        let of_layer = self
            .blocks
            .iter()
            .filter(|it| Layer::of(it.finding.rule) == layer);
        let line = |block: &Block| {
            let finding = &block.finding;
            Line::new(
                finding.headline.clone(),
                finding.severity < Severity::Warning,
            )
        };
        of_layer.map(line).collect()
    }

    /// How long it took, in words.
    pub fn time_words(&self) -> String {
        shown(self.time)
    }
}
