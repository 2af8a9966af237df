//! The rows of the screen.

use std::fmt::Write as _;

use ratatui::style::Style;

use super::{Page, Palette, Screen, shorten_address, shorten_end};
use crate::render::sockets::{Sheet, cells, rates, summary};
use crate::sockets::order::{GroupBy, GroupRow};
use crate::sockets::{Address, Socket, State};
use crate::top::{Mark, Row, Subject};

/// A column.
struct Column {
    title: &'static str,
    /// What it takes; of a name or an address, what it takes at least.
    width: usize,
    /// What most of its cells need.
    good: usize,
    /// What all of them need.
    most: usize,
    is_right: bool,
    /// The greatest goes first where there is no room.
    dispensable: u8,
    cell: fn(&Of<'_>) -> String,
}

/// What a cell is written from.
struct Of<'a> {
    row: &'a Row,
    screen: &'a Screen<'a>,
    sheet: &'a Sheet<'a>,
}

impl Of<'_> {
    fn socket(&self) -> Option<&Socket> {
        let at = self.row.socket?;
        Some(self.screen.look.sample.socket(at))
    }

    /// Of an open socket: what the kernel says of a closed one is the number of its FIN.
    fn queue(&self, of: fn(&Socket) -> u32) -> String {
        let socket = self.socket().filter(|_| self.row.mark != Mark::Closed);
        socket.map_or_else(String::new, |it| of(it).to_string())
    }

    fn group(&self, of: fn(&GroupRow) -> u64) -> String {
        let group = self.row.group.as_ref();
        group.map_or_else(String::new, |group| of(group).to_string())
    }

    fn end(&self, is_local: bool, is_narrow: bool) -> String {
        let mut out = String::new();
        let Some(socket) = self.socket() else {
            return out;
        };
        let names = self.screen.names;
        match (&socket.local, is_local) {
            (Address::Ip { port, .. }, true) if is_narrow => {
                out.push(':');
                cells::port(&mut out, *port, socket, names);
            }
            (_, true) => cells::local(&mut out, socket, names),
            (_, false) if socket.state == State::Listen => out.push('-'),
            (_, false) => cells::peer(&mut out, socket, names),
        }
        out
    }
}

const fn column(
    title: &'static str,
    width: usize,
    dispensable: u8,
    cell: fn(&Of<'_>) -> String,
) -> Column {
    Column {
        title,
        width,
        good: width,
        most: width,
        is_right: true,
        dispensable,
        cell,
    }
}

const fn name(
    title: &'static str,
    [width, good, most]: [usize; 3],
    dispensable: u8,
    cell: fn(&Of<'_>) -> String,
) -> Column {
    Column {
        good,
        most,
        is_right: false,
        ..column(title, width, dispensable, cell)
    }
}

const IN: Column = column("IN/s", 4, 0, |of| of.screen.rate(of.row.change.in_bytes));
const OUT: Column = column("OUT/s", 5, 0, |of| of.screen.rate(of.row.change.out_bytes));
const RETRANSMITS: Column = column("RETR/s", 6, 5, |of| {
    of.screen.rate(of.row.change.retransmits)
});
const TOTAL_IN: Column = column("IN", 5, 6, |of| total(of.row.totals.in_bytes, of));
const TOTAL_OUT: Column = column("OUT", 5, 6, |of| total(of.row.totals.out_bytes, of));

/// Of sockets. The two of our end exclude each other.
const OF_SOCKETS: &[Column] = &[
    name("PROCESS", [9, 14, 24], 0, process),
    name("PORT", [6, 6, 6], 0, |of| of.end(true, true)),
    name("LOCAL", [21, 21, 47], 2, |of| of.end(true, false)),
    name("PEER", [9, 21, 47], 0, |of| of.end(false, false)),
    name("STATE", [6, 6, 10], 1, state),
    column("RECV-Q", 6, 4, |of| of.queue(|socket| socket.recv_q)),
    column("SEND-Q", 6, 4, |of| of.queue(|socket| socket.send_q)),
    IN,
    OUT,
    RETRANSMITS,
    column("RTT", 7, 7, |of| {
        let rtt = of.socket().and_then(|it| it.tcp_info()?.rtt_us());
        rtt.map_or_else(String::new, |us| format!("{:.1} ms", f64::from(us) / 1e3))
    }),
    TOTAL_IN,
    TOTAL_OUT,
];

/// Of groups.
const OF_GROUPS: &[Column] = &[
    name("", [12, 24, 60], 0, group_name),
    column("SOCKETS", 7, 0, |of| of.group(|group| group.sockets as u64)),
    IN,
    OUT,
    RETRANSMITS,
    column("DROP/s", 6, 7, |of| of.screen.rate(of.row.change.drops)),
    TOTAL_IN,
    TOTAL_OUT,
    column("OPENED", 6, 4, |of| of.group(|group| group.change.opened)),
    column("CLOSED", 6, 4, |of| of.group(|group| group.change.closed)),
    column("WHY", 3, 3, |of| of.group(|group| group.findings as u64)),
];

fn total(bytes: u64, of: &Of<'_>) -> String {
    match of.row.subject {
        Subject::NotAttributed => String::new(),
        _ => rates::text(bytes as f64, false),
    }
}

fn process(of: &Of<'_>) -> String {
    let mut out = String::new();
    match of.socket() {
        Some(socket) => {
            let closed = of.screen.memory.holder_of_closed(socket);
            if of.row.mark == Mark::Closed
                && let Some(holder) = closed
            {
                cells::comm(&mut out, holder);
                let _ = write!(out, "({})", holder.pid);
            } else {
                cells::process(&mut out, socket, of.sheet, false);
            }
        }
        None => out.push_str(&group_name(of)),
    }
    out
}

fn state(of: &Of<'_>) -> String {
    match of.socket() {
        _ if of.row.mark == Mark::Closed => "closed".to_owned(),
        Some(socket) => socket.state.ss_name().to_owned(),
        None => String::new(),
    }
}

fn group_name(of: &Of<'_>) -> String {
    match (&of.row.subject, &of.row.group) {
        (Subject::NotAttributed, _) => "not attributed".to_owned(),
        (Subject::Others(_), _) => "ended".to_owned(),
        (Subject::Group(GroupBy::Process, _), _) => "unknown".to_owned(),
        (_, Some(group)) => {
            let mut out = String::new();
            summary::key(&mut out, &group.key, of.sheet);
            out
        }
        _ => String::new(),
    }
}

/// The columns that fit a width, and how wide they are, with a blank between two.
fn columns(all: &'static [Column], room: usize) -> Vec<(&'static Column, usize)> {
    let mut shown: Vec<(&Column, usize)> = all
        .iter()
        .filter(|column| column.title != "PORT")
        .map(|column| (column, column.width))
        .collect();
    let taken = |shown: &[(&Column, usize)]| -> usize {
        shown
            .iter()
            .map(|(_, width)| width + 1)
            .sum::<usize>()
            .saturating_sub(1)
    };
    // Names and addresses that can be read come before everything that can be done without.
    let wanted = |shown: &[(&Column, usize)]| {
        let missing = |(column, width): &(&Column, usize)| column.good - width;
        taken(shown) + shown.iter().map(missing).sum::<usize>()
    };
    for rank in (1..=7).rev() {
        if wanted(&shown) <= room {
            break;
        }
        let wide = shown.iter().any(|(column, _)| column.title == "LOCAL");
        // Our end becomes a port before the state goes.
        shown.retain(|(column, _)| column.dispensable != rank);
        if rank == 2 && wide {
            let port = all.iter().find(|column| column.title == "PORT");
            shown.splice(1..1, port.map(|port| (port, port.width)));
        }
    }
    // What is left goes to names and addresses, to the narrowest first.
    for wanted in [|column: &Column| column.good, |column: &Column| column.most] {
        for _ in taken(&shown)..room {
            let next = shown
                .iter_mut()
                .filter(|(column, width)| *width < wanted(column))
                .min_by_key(|(_, width)| *width);
            match next {
                Some((_, width)) => *width += 1,
                None => break,
            }
        }
    }
    shown
}

/// Draws titles and rows.
pub(super) fn draw(page: &mut Page<'_>, screen: &Screen<'_>, has_titles: bool, room: usize) {
    // A mark before the first column, a mark after the last.
    let wide = page.width().saturating_sub(3);
    let columns = match screen.view.group {
        None => columns(OF_SOCKETS, wide),
        Some(_) => columns(OF_GROUPS, wide),
    };
    if has_titles {
        let mut titles = String::from(" ");
        for (column, width) in &columns {
            let title = match screen.view.group {
                Some(by) if column.title.is_empty() => by.name().to_ascii_uppercase(),
                _ => column.title.to_owned(),
            };
            put(&mut titles, &title, *width, column.is_right);
        }
        page.line(titles.trim_end(), Palette::heading());
    }
    let first = screen.view.first;
    let shown = screen.rows.rows.iter().enumerate().skip(first).take(room);
    screen.with_sheet(|sheet| {
        for (place, row) in shown {
            let is_chosen = screen.view.place() == Some(place);
            line(page, row, &columns, screen, sheet, is_chosen);
        }
    });
    if screen.rows.rows.is_empty() {
        let left_out = screen.view.left_out();
        let separator = if left_out.is_empty() { "" } else { ": " };
        page.line(
            &format!(" no socket matches{separator}{left_out}"),
            Palette::dim(),
        );
    }
}

fn line(
    page: &mut Page<'_>,
    row: &Row,
    columns: &[(&Column, usize)],
    screen: &Screen<'_>,
    sheet: &Sheet<'_>,
    is_chosen: bool,
) {
    let of = Of { row, screen, sheet };
    let mut text = String::from(match row.mark {
        Mark::New => "+",
        Mark::Closed => "-",
        Mark::None => " ",
    });
    let mut columns = columns.iter().peekable();
    while let Some((column, width)) = columns.next() {
        let mut cell = (column.cell)(&of);
        let mut width = *width;
        // A row without a socket has a name only, which may go over the ends.
        if row.socket.is_none() && row.group.is_none() && column.title == "PROCESS" {
            while let Some((next, more)) = columns.next_if(|(next, _)| !next.is_right) {
                let _ = next;
                width += more + 1;
            }
        }
        match column.title {
            "LOCAL" | "PEER" => shorten_address(&mut cell, width),
            "PROCESS" => keep_pid(&mut cell, width),
            "STATE" => shorten_state(&mut cell, width),
            _ => shorten_end(&mut cell, width),
        }
        put(&mut text, &cell, width, column.is_right);
    }
    let style = match (row.mark, &row.subject) {
        (Mark::New, _) => screen.palette.new_row(),
        (Mark::Closed, _) | (_, Subject::NotAttributed | Subject::Others(_)) => Palette::dim(),
        (Mark::None, _) => Style::new(),
    };
    let style = if is_chosen {
        style.patch(Palette::heading())
    } else {
        style
    };
    let end = page.width().saturating_sub(1);
    if let Some(worst) = row.worst {
        let gap = end.saturating_sub(cells::width(&text));
        text.push_str(&" ".repeat(gap));
        text.push('!');
        page.line(&text, style);
        page.paint(end, 1, screen.palette.severity(worst));
    } else {
        page.line(&text, style);
    }
}

/// The states that are longer than the narrow column, shorter.
fn shorten_state(cell: &mut String, most: usize) {
    const SHORT: [(&str, &str); 8] = [
        ("BOUND-INACTIVE", "BOUND"),
        ("CLOSE-WAIT", "CLOSEW"),
        ("FIN-WAIT-1", "FINW1"),
        ("FIN-WAIT-2", "FINW2"),
        ("SYN-SENT", "SYN-S"),
        ("SYN-RECV", "SYN-R"),
        ("LAST-ACK", "LASTAC"),
        ("CLOSING", "CLOSNG"),
    ];
    if cells::width(cell) > most {
        let short = SHORT.iter().find(|(long, _)| long == cell);
        *cell = short.map_or_else(|| std::mem::take(cell), |(_, short)| (*short).to_owned());
    }
    shorten_end(cell, most);
}

/// A process's name may be cut, its number not.
fn keep_pid(cell: &mut String, most: usize) {
    let number = cell.rfind('(').map(|at| cell.split_off(at));
    let number = number.unwrap_or_default();
    if cells::width(cell) + number.len() > most && number.len() < most {
        shorten_end(cell, most - number.len());
    }
    cell.push_str(&number);
    shorten_end(cell, most);
}

fn put(line: &mut String, cell: &str, width: usize, is_right: bool) {
    let blanks = " ".repeat(width.saturating_sub(cells::width(cell)));
    if line.len() > 1 {
        line.push(' ');
    }
    if is_right {
        line.push_str(&blanks);
        line.push_str(cell);
    } else {
        line.push_str(cell);
        line.push_str(&blanks);
    }
}
