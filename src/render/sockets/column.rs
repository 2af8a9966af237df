//! The columns of our table, by name.

use std::fmt::Write as _;
use std::str::FromStr;

use super::{Row, Sheet, cells, details};
use crate::sockdiag::TcpInfoValues;
use crate::sockets::{Details, Socket};

/// Makes the enum, its names and its titles from one list.
macro_rules! columns {
    ($($(#[$doc:meta])* $variant:ident $name:literal $align:ident;)*) => {
        /// A column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Column { $($(#[$doc])* $variant,)* }

        impl Column {
            /// All columns.
            pub const ALL: &[Column] = &[$(Column::$variant,)*];

            /// The name that `--cols` takes; the title is the same in capitals.
            pub fn name(self) -> &'static str {
                match self { $(Column::$variant => $name,)* }
            }

            /// Whether it is set flush right, as numbers are.
            pub fn is_right(self) -> bool {
                match self { $(Column::$variant => columns!(@ $align),)* }
            }
        }
    };
    (@ left) => { false };
    (@ right) => { true };
}

columns! {
    /// `tcp`, `udp`, `u_str` ...
    Proto "proto" left;
    /// `ESTAB`, `LISTEN` ...
    State "state" left;
    /// Bytes to be read; for a listener the connections that wait.
    RecvQ "recv-q" right;
    /// Bytes not acknowledged; for a listener the limit of its queue.
    SendQ "send-q" right;
    /// Our end.
    Local "local" left;
    /// The other end.
    Peer "peer" left;
    /// The owners, or why there are none.
    Process "process" left;
    /// What is wrong.
    Why "why" left;
    /// The owners' process ids.
    Pid "pid" left;
    /// The owners' descriptors.
    Fd "fd" left;
    /// The first owner's command line.
    Command "command" left;
    /// The user's name.
    User "user" left;
    /// The user's number.
    Uid "uid" right;
    /// The inode.
    Inode "inode" right;
    /// The cookie, in hexadecimal.
    Cookie "cookie" right;
    /// The address family.
    Family "family" left;
    /// The network namespace.
    Netns "netns" left;
    /// The interface it is bound to.
    Interface "interface" left;
    /// The timer that runs.
    Timer "timer" left;
    /// The congestion control algorithm.
    Cong "cong" left;
    /// The mark (`SO_MARK`).
    Mark "mark" right;
    /// The control group.
    Cgroup "cgroup" left;
    /// The round trip in milliseconds.
    Rtt "rtt" right;
    /// The retransmission timeout in milliseconds.
    Rto "rto" right;
    /// The congestion window in segments.
    Cwnd "cwnd" right;
    /// Bytes sent, those sent again included.
    Sent "sent" right;
    /// Bytes received.
    Received "received" right;
    /// Segments sent again in the connection's life.
    Retrans "retrans" right;
    /// What was dropped for want of room.
    Drops "drops" right;
}

impl Column {
    /// What is shown of several network namespaces: the same address may be in each.
    pub const DEFAULT_OF_ALL_NETNS: &[Column] = &[
        Column::Netns,
        Column::Proto,
        Column::State,
        Column::RecvQ,
        Column::SendQ,
        Column::Local,
        Column::Peer,
        Column::Process,
        Column::Why,
    ];

    /// What is shown if nothing else is asked for.
    pub const DEFAULT: &[Column] = Column::DEFAULT_OF_ALL_NETNS.split_at(1).1;

    /// The title.
    pub fn title(self) -> String {
        self.name().to_ascii_uppercase()
    }

    /// Whether [`Socket::details`] must have been asked for.
    pub fn needs_details(self) -> bool {
        use Column::{Cgroup, Cong, Cwnd, Drops, Mark, Received, Retrans, Rto, Rtt, Sent};
        matches!(
            self,
            Cgroup | Cong | Cwnd | Drops | Mark | Received | Retrans | Rto | Rtt | Sent
        )
    }

    /// Whether the names of users must have been asked for.
    pub fn needs_users(self) -> bool {
        self == Column::User
    }

    /// Whether the command lines and control groups of the owners must have been read.
    pub fn needs_command_lines(self) -> bool {
        matches!(self, Column::Cgroup | Column::Command)
    }

    /// Whether the owners must have been looked for.
    pub fn needs_owners(self) -> bool {
        use Column::{Cgroup, Command, Fd, Pid, Process};
        matches!(self, Cgroup | Command | Fd | Pid | Process)
    }

    /// Columns by their names, separated by commas; an unknown name is given back.
    pub fn list(text: &str) -> Result<Vec<Column>, UnknownColumn> {
        text.split(',').map(|name| name.trim().parse()).collect()
    }

    /// Appends the cell; `-` for what is unknown or absent, nothing for no finding. `all`: every
    /// owner, whatever the length.
    pub fn cell(self, out: &mut String, row: Row<'_>, sheet: &Sheet<'_>, all: bool) {
        let start = out.len();
        self.fill(out, row, sheet, all);
        if out.len() == start && self != Column::Why {
            out.push('-');
        }
    }

    fn fill(self, out: &mut String, row: Row<'_>, sheet: &Sheet<'_>, all: bool) {
        let socket: &Socket = &row;
        match self {
            Column::Proto => out.push_str(socket.proto.name()),
            Column::State => out.push_str(socket.state.ss_name()),
            Column::RecvQ => cells::number(out, socket.recv_q),
            Column::SendQ => cells::number(out, socket.send_q),
            Column::Local => cells::local(out, socket, sheet.names),
            Column::Peer => cells::peer_and_process(out, row, sheet),
            Column::Process => cells::process(out, socket, sheet, all),
            Column::Why => why(out, row, sheet),
            Column::User => match socket.uid {
                None => {}
                Some(uid) => match sheet.names.users.get(&uid) {
                    Some(name) => cells::word(out, name.as_bytes()),
                    None => cells::number(out, uid),
                },
            },
            Column::Uid => maybe(out, socket.uid),
            Column::Inode => maybe(out, Some(socket.inode).filter(|inode| *inode != 0)),
            Column::Cookie => maybe(out, socket.cookie.map(|cookie| format!("{cookie:x}"))),
            Column::Family => out.push_str(socket.family.name()),
            Column::Netns => netns(out, socket, sheet),
            Column::Interface if socket.interface == 0 => {}
            Column::Interface => {
                cells::interface(out, socket.interface, socket.netns, sheet.names);
            }
            Column::Timer => {
                if let Some(timer) = &socket.timer {
                    details::timer(out, timer);
                }
            }
            Column::Pid | Column::Fd | Column::Command => self.of_owners(out, socket, sheet, all),
            Column::Cgroup => cgroup(out, socket, sheet),
            _ => {
                if let Some(details) = &socket.details {
                    self.of_details(out, details, cells::tcp_info(socket));
                }
            }
        }
    }

    fn of_owners(self, out: &mut String, socket: &Socket, sheet: &Sheet<'_>, all: bool) {
        let owners = sheet.owners(socket);
        if self == Column::Command {
            let command = owners
                .first()
                .and_then(|owner| sheet.sample().owners.process(owner).cmdline.as_ref());
            if let Some(command) = command {
                cells::command_line(out, command);
            }
            return;
        }
        let shown = if all { owners.len() } else { 1 };
        for (index, owner) in owners.iter().take(shown).enumerate() {
            if index > 0 {
                out.push(',');
            }
            let number = match self {
                Column::Pid => sheet.sample().owners.process(owner).pid,
                _ => owner.fd,
            };
            cells::number(out, number);
        }
        if owners.len() > shown {
            let _ = write!(out, " +{}", owners.len() - shown);
        }
    }

    fn of_details(self, out: &mut String, details: &Details, tcp: Option<&TcpInfoValues>) {
        let milliseconds = |us: u32| format!("{:.3}", f64::from(us) / 1000.0);
        match self {
            Column::Cong => {
                if let Some(name) = &details.congestion {
                    cells::word(out, name.as_bytes());
                }
            }
            Column::Mark => maybe(out, details.mark.map(|mark| format!("{mark:#x}"))),
            Column::Rtt => maybe(out, tcp.and_then(|tcp| tcp.rtt_us).map(milliseconds)),
            Column::Rto => maybe(out, tcp.and_then(|tcp| tcp.rto_us).map(|us| us / 1000)),
            Column::Cwnd => maybe(out, tcp.and_then(|tcp| tcp.snd_cwnd)),
            Column::Sent => maybe(out, tcp.and_then(|tcp| tcp.bytes_sent)),
            Column::Received => maybe(out, tcp.and_then(|tcp| tcp.bytes_received)),
            Column::Retrans => maybe(out, tcp.and_then(|tcp| tcp.total_retrans)),
            Column::Drops => maybe(out, details.dropped()),
            _ => {}
        }
    }
}

fn maybe(out: &mut String, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        let _ = write!(out, "{value}");
    }
}

/// All findings, the worst first, on one line.
pub fn why(out: &mut String, row: Row<'_>, sheet: &Sheet<'_>) {
    for (index, finding) in sheet.findings.of(row.at).enumerate() {
        if index > 0 {
            out.push_str("; ");
        }
        cells::safe(out, finding.headline.as_bytes());
    }
}

fn netns(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    if let Some(namespace) = sheet.sample().namespaces.get(usize::from(socket.netns)) {
        match namespace.label.as_str() {
            "" => maybe(out, Some(namespace.inode)),
            label => cells::safe(out, label.as_bytes()),
        }
    }
}

fn cgroup(out: &mut String, socket: &Socket, sheet: &Sheet<'_>) {
    let path = sheet
        .owners(socket)
        .first()
        .and_then(|owner| sheet.sample().owners.process(owner).cgroup.as_ref());
    if let Some(path) = path {
        cells::safe(out, path.as_bytes());
    } else {
        let id = socket
            .details
            .as_ref()
            .and_then(|details| details.cgroup_id);
        maybe(out, id);
    }
}

/// A name that is not a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownColumn(
    /// The name.
    pub String,
);

impl std::fmt::Display for UnknownColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
        let name = crate::render::escape::text(&self.0);
        write!(
            f,
            "no column is called '{name}'; there are {}",
            names.join(",")
        )
    }
}

impl std::error::Error for UnknownColumn {}

impl FromStr for Column {
    type Err = UnknownColumn;

    fn from_str(text: &str) -> Result<Self, UnknownColumn> {
        let plain = text.to_ascii_lowercase().replace('_', "-");
        let plain = match plain.as_str() {
            "recvq" => "recv-q",
            "sendq" => "send-q",
            "owner" | "owners" => "process",
            "congestion" => "cong",
            other => other,
        };
        Column::ALL
            .iter()
            .copied()
            .find(|column| column.name() == plain)
            .ok_or_else(|| UnknownColumn(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_by_its_name_and_its_title() {
        for column in Column::ALL {
            assert_eq!(column.name().parse(), Ok(*column));
            assert_eq!(column.title().parse(), Ok(*column));
        }
        assert_eq!(
            Column::list("proto, recv_q,WHY"),
            Ok(vec![Column::Proto, Column::RecvQ, Column::Why])
        );
        let error = Column::list("proto,nonsense").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no column is called 'nonsense'; there are proto,")
        );
    }
}
