//! The columns of our table, of CSV and of `--sort`: one list.

mod values;

use std::fmt::Write as _;

use super::{Row, Sheet, cells, details, rates};
use crate::render::column::put;
use crate::sockdiag::KeptTcpInfo;
use crate::sockets::change::{Rate, is_closed};
use crate::sockets::order::{SortKey, SortOrder};
use crate::sockets::{Details, Owner, Owners, Socket, cgroup};

pub use values::why;
use values::{group, host, inode, netns, port, tcp};

/// What must have been gathered for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// [`Socket::details`].
    Details,
    /// The processes that hold the sockets.
    Owners,
    /// The command lines and control groups of the owners.
    CommandLines,
    /// The names of users.
    Users,
    /// What is wrong.
    Findings,
    /// Who is at the other end.
    OtherEnds,
    /// Two samples.
    Rates,
    /// The paths of control groups.
    Groups,
}

impl Need {
    /// For what is told by a control group.
    const OF_GROUPS: &[Need] = &[
        Need::Details,
        Need::Owners,
        Need::CommandLines,
        Need::Groups,
    ];
}

/// A socket, what is known beside it, and whether all owners are written, whatever the length.
pub struct Of<'a> {
    row: Row<'a>,
    sheet: &'a Sheet<'a>,
    all: bool,
}

impl Of<'_> {
    fn owners(&self) -> &[Owner] {
        self.sheet.owners(&self.row)
    }

    fn details(&self) -> Option<&Details> {
        self.row.details.as_deref()
    }

    fn tcp(&self) -> Option<&KeptTcpInfo> {
        self.row.tcp_info()
    }

    /// A number of each owner, or of the first and how many more there are.
    fn put_owners(&self, out: &mut String, number: impl Fn(&Owner) -> u32) {
        let owners = self.owners();
        let shown = if self.all { owners.len() } else { 1 };
        for (index, owner) in owners.iter().take(shown).enumerate() {
            if index > 0 {
                out.push(',');
            }
            cells::number(out, number(owner));
        }
        if owners.len() > shown {
            let _ = write!(out, " +{}", owners.len() - shown);
        }
    }
}

/// All about a column.
struct Spec {
    name: &'static str,
    aliases: &'static [&'static str],
    is_right: bool,
    needs: &'static [Need],
    sort: Option<SortKey>,
    cell: fn(&mut String, &Of<'_>),
}

/// A column of text.
const fn text(name: &'static str, cell: fn(&mut String, &Of<'_>)) -> Spec {
    Spec {
        name,
        aliases: &[],
        is_right: false,
        needs: &[],
        sort: None,
        cell,
    }
}

/// A column of numbers.
const fn number(name: &'static str, cell: fn(&mut String, &Of<'_>)) -> Spec {
    Spec {
        is_right: true,
        ..text(name, cell)
    }
}

impl Spec {
    const fn or(self, aliases: &'static [&'static str]) -> Spec {
        Spec { aliases, ..self }
    }

    const fn needs(self, needs: &'static [Need]) -> Spec {
        Spec { needs, ..self }
    }

    const fn sorted(self, key: SortKey) -> Spec {
        Spec {
            sort: Some(key),
            ..self
        }
    }

    /// Sorted by a number.
    const fn by(self, number: fn(&Socket, &Owners) -> Option<u64>) -> Spec {
        self.sorted(SortKey::Number(number))
    }

    /// A rate between two samples.
    const fn rate(name: &'static str, cell: fn(&mut String, &Of<'_>), rate: Rate) -> Spec {
        number(name, cell)
            .needs(&[Need::Details, Need::Rates])
            .sorted(SortKey::Rate(rate))
    }

    /// A figure of TCP, in the cell as it is.
    const fn tcp(
        name: &'static str,
        figure: fn(&mut String, &Of<'_>),
        sort: fn(&Socket, &Owners) -> Option<u64>,
    ) -> Spec {
        number(name, figure).needs(&[Need::Details]).by(sort)
    }
}

/// Makes the enum from the list.
macro_rules! columns {
    ($($(#[$doc:meta])* $variant:ident $spec:expr;)*) => {
        /// A column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Column { $($(#[$doc])* $variant,)* }

        impl Column {
            /// All columns.
            pub const ALL: &[Column] = &[$(Column::$variant,)*];

            fn spec(self) -> &'static Spec {
                match self { $(Column::$variant => { const SPEC: Spec = $spec; &SPEC })* }
            }
        }
    };
}

columns! {
    /// `tcp`, `udp`, `u_str` ...
    Proto text("proto", |out, of| out.push_str(of.row.proto.name())).by(|it, _| Some(it.proto as u64));
    /// `ESTAB`, `LISTEN` ...
    State text("state", |out, of| out.push_str(if is_closed(&of.row) { "CLOSED" } else { of.row.state.ss_name() })).by(|it, _| Some(it.state as u64));
    /// Bytes to be read; for a listener the connections that wait.
    RecvQ number("recv-q", |out, of| cells::number(out, of.row.recv_q)).by(|it, _| Some(it.recv_q.into()));
    /// Bytes not acknowledged; for a listener the limit of its queue.
    SendQ number("send-q", |out, of| cells::number(out, of.row.send_q)).by(|it, _| Some(it.send_q.into()));
    /// Our end.
    Local text("local", |out, of| cells::local(out, &of.row, of.sheet.names))
        .sorted(SortKey::Address(|it| &it.local));
    /// The other end.
    Peer text("peer", |out, of| cells::peer_and_process(out, of.row, of.sheet))
        .needs(&[Need::OtherEnds])
        .sorted(SortKey::Address(|it| &it.peer));
    /// The owners, or why there is none.
    Process text("process", |out, of| cells::process(out, &of.row, of.sheet, of.all))
        .or(&["owner", "owners", "pname", "name"])
        .needs(&[Need::Owners])
        .sorted(SortKey::Process);
    /// What is wrong.
    Why text("why", |out, of| why(out, of.row, of.sheet))
        .or(&["problem", "problems", "findings"])
        .needs(&[Need::Findings])
        .sorted(SortKey::Problem);
    /// The owners' process ids.
    Pid text("pid", |out, of| {
        of.put_owners(out, |owner| of.sheet.sample().owners.process(owner).pid);
    })
    .needs(&[Need::Owners])
    .by(|it, owners| {
        let of = owners.of(it.inode).iter();
        of.map(|owner| owners.process(owner).pid.into()).min()
    });
    /// The owners' descriptors.
    Fd text("fd", |out, of| of.put_owners(out, |owner| owner.fd))
        .needs(&[Need::Owners])
        .by(|it, owners| owners.of(it.inode).first().map(|owner| owner.fd.into()));
    /// The first owner's command line.
    Command text("command", |out, of| {
        let owner = of.owners().first();
        let process = owner.map(|owner| of.sheet.sample().owners.process(owner));
        if let Some(command) = process.and_then(|process| process.cmdline.as_ref()) {
            cells::command_line(out, command);
        }
    })
    .needs(&[Need::Owners, Need::CommandLines])
    .sorted(SortKey::Process);
    /// The user's name.
    User text("user", |out, of| {
        let Some(uid) = of.row.uid else { return };
        match of.sheet.names.users.get(&uid) {
            Some(name) => cells::word(out, name.as_bytes()),
            None => cells::number(out, uid),
        }
    })
    .needs(&[Need::Users])
    .by(|it, _| it.uid.map(u64::from));
    /// The user's number.
    Uid number("uid", |out, of| put(out, of.row.uid)).by(|it, _| it.uid.map(u64::from));
    /// The inode.
    Inode number("inode", |out, of| put(out, inode(&of.row))).by(|it, _| inode(it));
    /// The cookie, in hexadecimal.
    Cookie number("cookie", |out, of| put(out, of.row.cookie.map(|it| format!("{it:x}")))).by(|it, _| it.cookie);
    /// The address family.
    Family text("family", |out, of| out.push_str(of.row.family.name())).by(|it, _| Some(it.family as u64));
    /// The network namespace.
    Netns text("netns", |out, of| netns(out, &of.row, of.sheet)).by(|it, _| Some(it.netns.into()));
    /// The interface it is bound to.
    Interface text("interface", |out, of| {
        if of.row.interface != 0 {
            cells::interface(out, of.row.interface, of.row.netns, of.sheet.names);
        }
    })
    .by(|it, _| Some(it.interface.into()).filter(|index| *index != 0));
    /// The timer that runs.
    Timer text("timer", |out, of| {
        if let Some(timer) = &of.row.timer {
            details::timer(out, timer);
        }
    })
    .by(|it, _| it.timer.map(|timer| timer.expires_ms.into()));
    /// The congestion control algorithm.
    Cong text("cong", |out, of| {
        if let Some(name) = of.details().and_then(|it| it.congestion.as_ref()) {
            cells::word(out, name.as_bytes());
        }
    })
    .or(&["congestion"])
    .needs(&[Need::Details]);
    /// The mark (`SO_MARK`).
    Mark number("mark", |out, of| put(out, of.details().and_then(|it| it.mark).map(|it| format!("{it:#x}"))))
        .needs(&[Need::Details])
        .by(|it, _| it.details.as_ref()?.mark.map(u64::from));
    /// The control group.
    Cgroup text("cgroup", |out, of| group(out, &of.row, of.sheet))
        .needs(Need::OF_GROUPS)
        .by(|it, _| it.details.as_ref()?.cgroup_id);
    /// The systemd unit.
    Unit text("unit", |out, of| {
        let unit = of.sheet.group_of(&of.row).and_then(cgroup::unit);
        cells::safe(out, unit.unwrap_or_default().as_bytes());
    })
    .needs(Need::OF_GROUPS);
    /// The container: its runtime, and the front of its id as container tools show it.
    Container text("container", |out, of| {
        let container = of.sheet.group_of(&of.row).and_then(cgroup::container);
        if let Some(container) = container {
            let id: String = container.id.chars().take(12).collect();
            cells::safe(out, format!("{}:{id}", container.runtime).as_bytes());
        }
    })
    .needs(Need::OF_GROUPS);
    /// The round trip in milliseconds.
    Rtt Spec::tcp("rtt", |out, of| {
        let rtt = of.tcp().and_then(KeptTcpInfo::rtt_us);
        put(out, rtt.map(|us| format!("{:.3}", f64::from(us) / 1000.0)));
    }, |it, _| tcp(it)?.rtt_us().map(u64::from));
    /// The retransmission timeout in milliseconds.
    Rto Spec::tcp("rto", |out, of| put(out, of.tcp().and_then(KeptTcpInfo::rto_us).map(|us| us / 1000)),
        |it, _| tcp(it)?.rto_us().map(u64::from));
    /// The congestion window in segments.
    Cwnd Spec::tcp("cwnd", |out, of| put(out, of.tcp().and_then(KeptTcpInfo::snd_cwnd)),
        |it, _| tcp(it)?.snd_cwnd().map(u64::from));
    /// Bytes sent, those sent again included.
    Sent Spec::tcp("sent", |out, of| put(out, of.tcp().and_then(KeptTcpInfo::bytes_sent)),
        |it, _| tcp(it)?.bytes_sent());
    /// Bytes received.
    Received Spec::tcp("received", |out, of| put(out, of.tcp().and_then(KeptTcpInfo::bytes_received)),
        |it, _| tcp(it)?.bytes_received());
    /// Segments sent again in the connection's life.
    Retrans Spec::tcp("retrans", |out, of| put(out, of.tcp().and_then(KeptTcpInfo::total_retrans)),
        |it, _| tcp(it)?.total_retrans().map(u64::from)).or(&["retransmits"]);
    /// What was dropped for want of room.
    Drops number("drops", |out, of| put(out, of.details().and_then(Details::dropped)))
        .needs(&[Need::Details])
        .by(|it, _| it.details.as_deref().and_then(Details::dropped).map(u64::from));
    /// Our address alone.
    LocalAddr text("local-addr", |out, of| host(out, &of.row.local)).sorted(SortKey::Address(|it| &it.local));
    /// Our port.
    LocalPort number("local-port", |out, of| put(out, of.row.local.port()))
        .or(&["port", "lport"])
        .by(|it, _| port(&it.local));
    /// The address at the other end alone.
    PeerAddr text("peer-addr", |out, of| host(out, &of.row.peer)).sorted(SortKey::Address(|it| &it.peer));
    /// The port at the other end.
    PeerPort number("peer-port", |out, of| put(out, of.row.peer.port()))
        .or(&["rport"])
        .by(|it, _| port(&it.peer));
    /// Bytes that the other end has acknowledged.
    Acked Spec::tcp("bytes-acked", |out, of| put(out, of.tcp().and_then(KeptTcpInfo::bytes_acked)),
        |it, _| tcp(it)?.bytes_acked());
    /// Payload received: bytes a second.
    InRate Spec::rate("in/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::In), Rate::In).or(&["in"]);
    /// Payload sent: bytes a second.
    OutRate Spec::rate("out/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::Out), Rate::Out).or(&["out"]);
    /// Payload in both directions: bytes a second.
    BytesRate Spec::rate("bytes/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::Bytes), Rate::Bytes).or(&["bytes", "rate"]);
    /// Segments in both directions, a second.
    SegmentsRate Spec::rate("segs/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::Segments), Rate::Segments)
        .or(&["segs", "segments"]);
    /// Segments sent again, a second.
    RetransRate Spec::rate("retrans/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::Retransmits), Rate::Retransmits);
    /// Datagrams or connections dropped, a second.
    DropsRate Spec::rate("drops/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::Drops), Rate::Drops);
    /// Connections accepted, a second.
    AcceptsRate Spec::rate("accepts/s", |out, of| rates::put(out, of.sheet, of.row.at, of.all, Rate::Accepts), Rate::Accepts).or(&["accepts"]);
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

    /// What is shown of two samples.
    pub const DEFAULT_OF_RATES: &[Column] = &[
        Column::Proto,
        Column::State,
        Column::InRate,
        Column::OutRate,
        Column::SegmentsRate,
        Column::RetransRate,
        Column::DropsRate,
        Column::AcceptsRate,
        Column::Local,
        Column::Peer,
        Column::Process,
        Column::Why,
    ];

    /// The same on a terminal, where a row may take several lines: first the state and the process.
    pub const ON_TERMINAL_OF_ALL_NETNS: &[Column] = &[
        Column::Netns,
        Column::Proto,
        Column::State,
        Column::Process,
        Column::RecvQ,
        Column::SendQ,
        Column::Local,
        Column::Peer,
        Column::Why,
    ];

    /// What is shown on a terminal if nothing else is asked for.
    pub const ON_TERMINAL: &[Column] = Column::ON_TERMINAL_OF_ALL_NETNS.split_at(1).1;

    /// What is shown if nothing else is asked for.
    pub const DEFAULT: &[Column] = Column::DEFAULT_OF_ALL_NETNS.split_at(1).1;

    /// The name that `--cols` and `--sort` take; the title is the same in capitals.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Whether it is set flush right, as numbers are.
    pub fn is_right(self) -> bool {
        self.spec().is_right
    }

    /// The title.
    pub fn title(self) -> String {
        self.name().to_ascii_uppercase()
    }

    /// Whether this must have been gathered.
    pub fn needs(self, need: Need) -> bool {
        self.spec().needs.contains(&need)
    }

    /// Columns by their names, separated by commas.
    pub fn list(text: &str) -> Result<Vec<Column>, String> {
        let column = |name: &str| {
            Column::named(name).ok_or_else(|| {
                let name = crate::render::escape::text(name);
                format!(
                    "no column is called '{name}'; there are {}",
                    Column::names()
                )
            })
        };
        text.split(',').map(str::trim).map(column).collect()
    }

    /// The names of all columns.
    pub fn names() -> String {
        let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
        names.join(", ")
    }

    /// The names of the columns that sockets are sorted by.
    pub fn sort_names() -> String {
        let sorted = Column::ALL
            .iter()
            .filter(|column| column.spec().sort.is_some());
        let names: Vec<&str> = sorted.map(|column| column.name()).collect();
        names.join(", ")
    }

    /// The column that sockets are sorted by, and the order: `COL`, or `-COL` for the greatest first.
    pub fn sort(word: &str) -> Result<(Column, SortOrder), String> {
        let bare = word.strip_prefix('-').unwrap_or(word);
        let found = Column::named(bare).and_then(|it| Some((it, it.spec().sort?)));
        // Of rates the greatest are what is looked for.
        let is_rate = |it: &(Column, SortKey)| matches!(it.1, SortKey::Rate(_));
        let descending = bare != word || found.as_ref().is_some_and(is_rate);
        let order = found.map(|(column, key)| (column, SortOrder { key, descending }));
        order.ok_or_else(|| {
            let names = Column::sort_names();
            format!(
                "\"{}\" is not a column to sort by; use one of: {names}",
                bare.escape_debug()
            )
        })
    }

    /// In any case and spelling: `recvq`, `Recv-Q` and `recv_q` are one.
    fn named(word: &str) -> Option<Column> {
        let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
        let wanted = plain(word);
        let is_it = |column: &&Column| {
            let spec = column.spec();
            plain(spec.name) == wanted || spec.aliases.contains(&&*wanted)
        };
        Column::ALL.iter().find(is_it).copied()
    }

    /// Appends the cell; `-` for what is unknown or absent, nothing for no finding. `all`: every
    /// owner, whatever the length.
    pub fn cell(self, out: &mut String, row: Row<'_>, sheet: &Sheet<'_>, all: bool) {
        let start = out.len();
        (self.spec().cell)(out, &Of { row, sheet, all });
        if out.len() == start && self != Column::Why {
            out.push('-');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_by_its_name_and_its_title() {
        for column in Column::ALL {
            assert_eq!(Column::list(column.name()), Ok(vec![*column]));
            assert_eq!(Column::list(&column.title()), Ok(vec![*column]));
        }
        assert_eq!(
            Column::list("proto, recv_q,WHY"),
            Ok(vec![Column::Proto, Column::RecvQ, Column::Why])
        );
        let error = Column::list("proto,nonsense").unwrap_err();
        assert!(error.starts_with("no column is called 'nonsense'; there are proto,"));
    }

    #[test]
    fn rates_are_sorted_with_the_greatest_first() {
        for word in ["in", "-in", "IN/S", "rate", "drops/s"] {
            assert!(Column::sort(word).unwrap().1.descending, "{word}");
        }
        // The totals keep their names.
        assert_eq!(Column::sort("drops").unwrap().0, Column::Drops);
        assert_eq!(Column::sort("retrans").unwrap().0, Column::Retrans);
    }

    #[test]
    fn a_column_to_sort_by_is_read_in_any_spelling_and_a_wrong_one_lists_the_right_ones() {
        for (word, column, descending) in [
            ("Recv_Q", Column::RecvQ, false),
            ("-recvq", Column::RecvQ, true),
            ("port", Column::LocalPort, false),
            ("-problem", Column::Why, true),
        ] {
            let (found, order) = Column::sort(word).unwrap();
            assert_eq!((found, order.descending), (column, descending), "{word}");
        }
        let error = Column::sort("nonsense").unwrap_err();
        assert!(error.contains("recv-q, send-q"), "{error}");
        assert!(Column::sort("cong").is_err());
    }
}
