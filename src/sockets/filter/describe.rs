//! How a filter was read, in words.

use std::fmt::{self, Write as _};

use super::{
    AddressMatch, Expression, Filter, GroupMatch, Host, PortRange, ProcessMatch, Scope, UnixName,
};
use crate::sockets::{Family, State};

impl fmt::Display for Filter {
    /// `listening and tcp and port 80 or 443`; nothing for a filter that asks for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().join(" and "))
    }
}

impl Filter {
    fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut add = |front: &str, list: Vec<String>| {
            if !list.is_empty() {
                parts.push(format!("{front}{}", list.join(" or ")));
            }
        };
        if self.listening {
            add("", vec!["listening".to_owned()]);
        }
        let text = |text: &str| text.to_owned();
        add(
            "",
            self.protos.iter().map(|proto| text(proto.name())).collect(),
        );
        add(
            "",
            self.families
                .iter()
                .map(|family| text(version(*family)))
                .collect(),
        );
        let states = State::ALL
            .into_iter()
            .filter(|state| self.states.names(*state) && *state != State::NewSynRecv);
        add("", states.map(|state| text(state.ss_name())).collect());
        add(
            "port ",
            self.ports.iter().map(ToString::to_string).collect(),
        );
        for (front, list) in [
            ("local ", &self.local),
            ("peer ", &self.peer),
            ("address ", &self.either),
        ] {
            add(front, list.iter().map(ToString::to_string).collect());
        }
        let named = self.or_socket.iter().map(ToString::to_string);
        let processes = self.processes.iter().map(ToString::to_string);
        add("", processes.chain(named).collect());
        add("pid ", self.pids.iter().map(ToString::to_string).collect());
        add("uid ", self.uids.iter().map(ToString::to_string).collect());
        add("", self.groups.iter().map(ToString::to_string).collect());
        parts.extend(self.tests.iter().map(ToString::to_string));
        parts
    }
}

fn version(family: Family) -> &'static str {
    match family {
        Family::Inet => "IPv4",
        Family::Inet6 => "IPv6",
        family => family.name(),
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut join = |list: &[Expression], word: &str| {
            f.write_char('(')?;
            for (index, one) in list.iter().enumerate() {
                let joint = if index == 0 { "" } else { word };
                write!(f, "{joint}{one}")?;
            }
            f.write_char(')')
        };
        match self {
            Expression::All(list) => join(list, " and "),
            Expression::Any(list) => join(list, " or "),
            Expression::Is(filter) => write!(f, "{filter}"),
            Expression::Not(inner) => write!(f, "not {inner}"),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(port) => write!(f, "{port}"),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl fmt::Display for AddressMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, scope, ports) = match self {
            AddressMatch::Unix(name) => return write!(f, "{name}"),
            AddressMatch::Ip { host, scope, ports } => (host, scope, ports),
        };
        let mut text = host.to_string();
        let _ = match scope {
            Some(Scope::Index(index)) => write!(text, "%{index}"),
            Some(Scope::Name(name)) => write!(text, "%{name}"),
            None => Ok(()),
        };
        match ports {
            None => f.write_str(&text),
            Some(ports) if text.contains(':') => write!(f, "[{text}]:{ports}"),
            Some(ports) => write!(f, "{text}:{ports}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Any => f.write_str("*"),
            Host::Loopback => f.write_str("localhost"),
            Host::Network(network) => write!(f, "{network}"),
        }
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &*self.name {
            [0, rest @ ..] => format!("@{}", String::from_utf8_lossy(rest)),
            path => String::from_utf8_lossy(path).into_owned(),
        };
        let star = if self.is_prefix { "*" } else { "" };
        write!(f, "{name}{star}")
    }
}

impl fmt::Display for ProcessMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessMatch::Name(part) => write!(f, "process \"{part}\""),
            ProcessMatch::Pattern(regex) => write!(f, "process /{regex}/"),
        }
    }
}

impl fmt::Display for GroupMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupMatch::Unit(part) => write!(f, "unit \"{part}\""),
            GroupMatch::Container(part) => write!(f, "container \"{part}\""),
        }
    }
}
