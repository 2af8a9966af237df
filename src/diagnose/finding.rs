//! A finding and its parts. They are values; only a renderer turns them into text.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::rules::Rule;
use crate::host::{Namespace, ProcessAt, SocketAt};
use crate::stream::StreamRef;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Something waits, or will.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// What else takes part in it.
    pub others: Vec<(Role, Subject)>,
    /// How many subjects it is about: more than one where like findings were put together.
    pub count: usize,
    /// Some of them, or all.
    pub examples: Vec<Subject>,
    /// The condition, with the figures that prove it.
    pub headline: String,
    /// What it means here.
    pub meaning: &'static str,
    /// The figures themselves.
    pub facts: Vec<Fact>,
    /// The look-alike that it is not, and how one knows.
    pub ruled_out: &'static str,
    /// What to do, in this order.
    pub next: Vec<NextStep>,
    /// The finding that causes it.
    pub because: Option<FindingAt>,
}

/// A finding by its place in [`Findings::all`](super::Findings::all).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingAt(pub u32);

impl Finding {
    /// A finding of a rule, with what the rule says of every such finding.
    pub fn new(
        rule: &'static Rule,
        severity: Severity,
        subject: Subject,
        headline: impl Into<String>,
    ) -> Finding {
        Finding {
            rule,
            severity,
            subject,
            others: Vec::new(),
            count: 1,
            examples: vec![subject],
            headline: headline.into(),
            meaning: rule.meaning,
            facts: Vec::new(),
            ruled_out: "",
            next: Vec::new(),
            because: None,
        }
    }

    /// Lets its next steps look into a network namespace, but for those that are for another host.
    pub fn go_to(&mut self, namespace: &Namespace) {
        let mut is_elsewhere = false;
        for step in &mut self.next {
            if let NextStep::Sentence(text) = step {
                is_elsewhere = is_for_another_host(text);
            }
            if std::mem::take(&mut is_elsewhere) {
                is_elsewhere = matches!(step, NextStep::Sentence(_));
                continue;
            }
            let bare = std::mem::replace(step, NextStep::Sentence("".into()));
            *step = bare.inside(namespace);
        }
    }

    /// The sockets that play a part in it.
    pub fn sockets_as(&self, role: Role) -> impl Iterator<Item = SocketAt> {
        let others = self.others.iter();
        others.filter_map(move |(of, subject)| match subject {
            Subject::Socket(at) if *of == role => Some(*at),
            _ => None,
        })
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The host as a whole.
    Host,
    /// The network stack of a namespace.
    Network {
        /// Which of the sample's network namespaces.
        netns: u16,
    },
    /// A network interface.
    Interface {
        /// Which of the sample's network namespaces it is in.
        netns: u16,
        /// Its index there.
        index: u32,
    },
    /// A process.
    Process(ProcessAt),
    /// A socket.
    Socket(SocketAt),
    /// The path to an address.
    Path {
        /// Which of the sample's network namespaces it leaves.
        netns: u16,
        /// The address.
        to: IpAddr,
    },
    /// A capture as a whole.
    Capture,
    /// A direction of a connection in a capture.
    Stream(StreamRef),
}

/// The part that something else plays in a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It listens for the connection.
    Listener,
    /// It is the other end of the connection.
    OtherEnd,
    /// It owns the socket.
    Owner,
    /// The finding is about it as well.
    Affected,
    /// Of a [`Cause`](super::rules::Cause): the subject itself, which the cause affects.
    Itself,
}

impl Role {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Role::Listener => "listener",
            Role::OtherEnd => "other_end",
            Role::Owner => "owner",
            Role::Affected => "affected",
            Role::Itself => "itself",
        }
    }
}

/// A figure that proves something.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Where it was read: `sock_diag`, `tcp_info`, `skmeminfo`, `/proc/net/snmp` ...
    pub source: &'static str,
    /// Its name there: `tcpi_last_data_recv`.
    pub field: &'static str,
    /// What it is.
    pub value: Value,
    /// The previous value, if it was sampled twice.
    pub before: Option<Value>,
}

impl Fact {
    /// A figure of one look.
    pub fn new(source: &'static str, field: &'static str, value: Value) -> Fact {
        Fact {
            source,
            field,
            value,
            before: None,
        }
    }
}

/// A figure with its unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A count of something.
    Count(u64),
    /// Bytes.
    Bytes(u64),
    /// Milliseconds.
    Millis(u64),
    /// This many of all.
    Share(u64, u64),
    /// A name that the kernel's figure stands for.
    Word(Cow<'static, str>),
    /// The lowest and the highest of several.
    Range(Box<Value>, Box<Value>),
}

impl Value {
    /// The number, if it is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::Count(number) | Value::Bytes(number) | Value::Millis(number) => Some(*number),
            _ => None,
        }
    }

    /// The unit of the number.
    pub fn unit(&self) -> Option<&'static str> {
        match self {
            Value::Bytes(_) => Some("bytes"),
            Value::Millis(_) => Some("ms"),
            _ => None,
        }
    }

    /// Of a time, or a range of times, the longest, in milliseconds.
    pub fn longest(&self) -> Option<u64> {
        match self {
            Value::Millis(time) => Some(*time),
            Value::Range(_, high) => high.longest(),
            _ => None,
        }
    }

    /// This one and another of the same figure as one.
    #[must_use]
    pub fn and(self, other: Value) -> Value {
        let (low, high) = match self {
            Value::Range(low, high) => (low, high),
            one => (Box::new(one.clone()), Box::new(one)),
        };
        let (low, high) = (low.min(Box::new(other.clone())), high.max(Box::new(other)));
        if low == high {
            *low
        } else {
            Value::Range(low, high)
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Count(number) => number.fmt(f),
            Value::Bytes(number) => write!(f, "{number} bytes"),
            Value::Millis(number) => write!(f, "{number} ms"),
            Value::Share(part, all) => write!(f, "{part} of {all}"),
            Value::Word(word) => f.write_str(word),
            // The unit once.
            Value::Range(low, high) => match low.number() {
                Some(low) => write!(f, "{low} to {high}"),
                None => write!(f, "{low} to {high}"),
            },
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// A command that works as it is typed.
    Command(Command),
    /// What a command cannot do, or what it is for.
    Sentence(Cow<'static, str>),
}

/// The words of a command, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command(pub Vec<String>);

impl Command {
    /// A command of fixed words, parted at blanks.
    pub fn of(words: &str) -> Command {
        Command(words.split(' ').map(str::to_owned).collect())
    }

    /// The same with one more word.
    #[must_use]
    pub fn with(mut self, word: impl fmt::Display) -> Command {
        self.0.push(word.to_string());
        self
    }

    /// The same for another network namespace: with the flag of ours that names it, or run inside. What asks a
    /// process stays as it is, and so does what goes there already.
    #[must_use]
    pub fn inside(mut self, namespace: &Namespace) -> Command {
        let Some(place) = namespace.word() else {
            return self;
        };
        let program = usize::from(self.0.first().is_some_and(|word| word == "sudo"));
        let word = |at: usize| self.0.get(at).map_or("", String::as_str);
        let is_there = self.0.iter().any(|word| {
            ["--netns", "--pid", "--container", "--all-netns"].contains(&word.as_str())
        });
        match word(program) {
            "sockdoc" if is_there => {}
            "sockdoc" if WITH_NETNS.contains(&word(program + 1)) => {
                let after = program + 2;
                self.0.splice(after..after, ["--netns".to_owned(), place]);
            }
            "cat" | "grep" if place.starts_with("pid:") => {
                // The programs of that process may not include these.
                let root = format!("/proc/{}/root", place.trim_start_matches("pid:"));
                let files = self.0.iter_mut().filter(|it| it.starts_with("/etc/"));
                files.for_each(|file| file.insert_str(0, &root));
            }
            // A named namespace may have files of its own (ip-netns(8)), one by its path has none.
            "cat" | "grep"
                if place.contains('/') || !self.0.iter().any(|it| it.starts_with("/etc/")) => {}
            "ip" if word(program + 1) == "netns" => {}
            name if OF_THE_STACK.contains(&name) || ["sockdoc", "cat", "grep"].contains(&name) => {
                self.0.splice(program..program, entering(&place).0);
            }
            _ => {}
        }
        self
    }
}

/// Our commands that have a flag for the namespace.
const WITH_NETNS: &[&str] = &[
    "sockets", "diagnose", "watch", "top", "check", "resolve", "drops", "capture",
];

/// Programs that look at the network stack that they run in.
const OF_THE_STACK: &[&str] = &[
    "ip",
    "nft",
    "tc",
    "ethtool",
    "tcpdump",
    "conntrack",
    "sysctl",
];

/// What is put before a command that runs inside of a namespace.
fn entering(place: &str) -> Command {
    match place.strip_prefix("pid:") {
        Some(pid) => Command::of("nsenter -n -t").with(pid),
        None if place.contains('/') => Command::of("nsenter").with(format!("--net={place}")),
        None => Command::of("ip netns exec").with(place),
    }
}

impl NextStep {
    /// The same for another network namespace. In a sentence, that is our commands with a flag for it, and those of
    /// others at the start of a part.
    #[must_use]
    pub fn inside(self, namespace: &Namespace) -> NextStep {
        match (self, namespace.word()) {
            (NextStep::Command(command), _) => NextStep::Command(command.inside(namespace)),
            (NextStep::Sentence(text), Some(place)) => {
                NextStep::Sentence(told_inside(text.into_owned(), &place).into())
            }
            (sentence, _) => sentence,
        }
    }
}

/// Whether a sentence, or the command after it, is for the other end of a connection.
fn is_for_another_host(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words = [
        "on that host",
        "on the other host",
        "on the peer",
        "server's side",
    ];
    words.iter().any(|it| text.contains(it))
}

/// A sentence with commands in it.
fn told_inside(mut text: String, place: &str) -> String {
    let flag = Command::of("--netns").with(place);
    // One that looks into all of them looks into this one, too.
    let ours = WITH_NETNS.iter().filter(|_| !text.contains("--all-netns"));
    for name in ours.collect::<Vec<_>>() {
        let bare = format!("sockdoc {name}");
        let is_there = ["--netns", "--all-netns", "--pid"];
        if !is_there
            .iter()
            .any(|it| text.contains(&format!("{bare} {it}")))
        {
            text = text.replace(&bare, &format!("{bare} {flag}"));
        }
    }
    let enter = entering(place);
    let ping = format!("{enter} sockdoc ping");
    if !text.contains(&ping) {
        text = text.replace("sockdoc ping", &ping);
    }
    for name in OF_THE_STACK {
        for before in [": ", "; "] {
            let bare = format!("{before}{name} ");
            let mut parts = text.split(&bare);
            let first = parts.next().unwrap_or_default().to_owned();
            text = parts.fold(first, |told, part| {
                if part.starts_with("netns ") {
                    format!("{told}{bare}{part}")
                } else {
                    format!("{told}{before}{enter} {name} {part}")
                }
            });
        }
    }
    text
}

impl From<Command> for NextStep {
    fn from(command: Command) -> Self {
        NextStep::Command(command)
    }
}

impl From<&'static str> for NextStep {
    fn from(text: &'static str) -> Self {
        NextStep::Sentence(text.into())
    }
}

impl From<String> for NextStep {
    fn from(text: String) -> Self {
        NextStep::Sentence(text.into())
    }
}

impl fmt::Display for Command {
    /// As it is typed into a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |word: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
            !word.is_empty() && word.chars().all(is_plain)
        };
        for (index, word) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            if plain(word) {
                write!(f, "{blank}{word}")?;
            } else {
                write!(f, "{blank}'{}'", word.replace('\'', "'\\''"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextStep::Command(command) => command.fmt(f),
            NextStep::Sentence(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_for_another_namespace_names_it() {
        let inside = |label: &str, words: &str| {
            let namespace = Namespace::new(1, label);
            Command::of(words).inside(&namespace).to_string()
        };
        for (label, words, there) in [
            ("", "sockdoc sockets -l", "sockdoc sockets -l"),
            (
                "blue",
                "sockdoc sockets -l",
                "sockdoc sockets --netns blue -l",
            ),
            (
                "pid 7 (x y)",
                "sudo sockdoc sockets",
                "sudo sockdoc sockets --netns pid:7",
            ),
            (
                "/mnt/a",
                "sockdoc ping ::1",
                "nsenter --net=/mnt/a sockdoc ping ::1",
            ),
            (
                "blue",
                "nft list ruleset",
                "ip netns exec blue nft list ruleset",
            ),
            ("pid 7", "ip route", "nsenter -n -t 7 ip route"),
            ("blue", "strace -f -p 7", "strace -f -p 7"),
            (
                "blue",
                "sockdoc check 10.0.0.1:80",
                "sockdoc check --netns blue 10.0.0.1:80",
            ),
            (
                "blue",
                "sockdoc check --pid 7 :80",
                "sockdoc check --pid 7 :80",
            ),
            (
                "blue",
                "cat /etc/resolv.conf",
                "ip netns exec blue cat /etc/resolv.conf",
            ),
            (
                "pid 7",
                "cat /etc/resolv.conf",
                "cat /proc/7/root/etc/resolv.conf",
            ),
            ("blue", "cat /proc/7/cgroup", "cat /proc/7/cgroup"),
        ] {
            assert_eq!(inside(label, words), there);
        }
        // Twice is as good as once.
        for words in [
            "sockdoc top",
            "ip route",
            "nft list ruleset",
            "cat /etc/hosts",
        ] {
            let once = inside("blue", words);
            assert_eq!(inside("blue", &once), once);
        }
        // A name may have a blank, which the shell must not part.
        assert_eq!(inside("a b", "sockdoc top"), "sockdoc top --netns 'a b'");
        assert_eq!(inside("a b", "ip route"), "ip netns exec 'a b' ip route");
    }

    #[test]
    fn what_is_to_be_done_on_another_host_is_not_done_in_a_namespace_of_this_one() {
        let namespace = Namespace::new(1, "blue");
        let rule = &crate::diagnose::rules::attempt::PORT_CLOSED;
        let mut finding = Finding::new(rule, Severity::Error, Subject::Host, "refused");
        let list = || NextStep::Command(Command::of("sockdoc sockets -l"));
        finding.next = vec![
            list(),
            "On that host, see what listens on the port:".into(),
            list(),
            list(),
        ];
        finding.go_to(&namespace);
        let told: Vec<String> = finding.next.iter().map(ToString::to_string).collect();
        let inside = "sockdoc sockets --netns blue -l";
        let there = "On that host, see what listens on the port:";
        assert_eq!(told, [inside, there, "sockdoc sockets -l", inside]);
    }

    #[test]
    fn a_command_in_a_sentence_names_the_namespace_too() {
        let namespace = Namespace::new(1, "blue");
        let told = |text: &'static str| {
            let once = NextStep::Sentence(text.into()).inside(&namespace);
            assert_eq!(once.clone().inside(&namespace), once);
            once.to_string()
        };
        assert_eq!(
            told("look: sockdoc sockets -xl. Then sockdoc explain EPIPE"),
            "look: sockdoc sockets --netns blue -xl. Then sockdoc explain EPIPE"
        );
        assert_eq!(
            told("see the routes: ip route; ip link show"),
            "see the routes: ip netns exec blue ip route; ip netns exec blue ip link show"
        );
        let everywhere = "list them: sockdoc sockets -l --all-netns :80";
        assert_eq!(told(everywhere), everywhere);
        assert_eq!(told("start the server"), "start the server");
    }

    #[test]
    fn a_command_can_be_pasted() {
        let command = Command::of("sockdoc sockets").with("a b").with("it's");
        assert_eq!(command.to_string(), "sockdoc sockets 'a b' 'it'\\''s'");
        let command = Command::of("strace -f -p").with(7);
        assert_eq!(command.to_string(), "strace -f -p 7");
    }

    #[test]
    fn like_figures_are_one_and_others_a_range() {
        let both = Value::Millis(61_000).and(Value::Millis(93_000));
        assert_eq!(both.to_string(), "61000 to 93000 ms");
        assert_eq!(both.and(Value::Millis(7)).to_string(), "7 to 93000 ms");
        assert_eq!(Value::Count(0).and(Value::Count(0)), Value::Count(0));
        assert_eq!(Value::Count(1).and(Value::Count(2)).to_string(), "1 to 2");
    }
}
