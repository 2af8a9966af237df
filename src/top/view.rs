//! What is shown, and what the keys change.

use super::look::Look;
use super::row::{Rows, Subject};
use crate::host::SocketAt;
use crate::sockets::filter::Filter;
use crate::sockets::order::GroupBy;
use crate::sockets::{Proto, Socket, State};

/// A key, whatever the terminal sends for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what the keyboard says")]
pub enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    Refresh,
    /// Ctrl-U.
    EraseLine,
}

/// What a key asks of the program beside another picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// To end.
    Quit,
    /// To give the terminal back and stop until SIGCONT.
    Suspend,
    /// To draw all of the screen again.
    Refresh,
    /// To read the filter that was typed: see [`View::filtered`].
    ReadFilter,
    /// To save the sample.
    Save,
    /// To look more often.
    Faster,
    /// To look less often.
    Slower,
}

/// What covers the screen between its first lines and its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// The rows.
    Rows,
    /// All about the chosen row.
    Details,
    /// What is wrong.
    Findings,
    /// The keys.
    Help,
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is called what it is")]
pub enum SortBy {
    Rate,
    In,
    Out,
    Total,
    Retransmits,
    Queues,
    Problem,
    Process,
    State,
    Local,
    Peer,
}

impl SortBy {
    /// The orders of sockets, and their names.
    const OF_SOCKETS: &[(SortBy, &str)] = &[
        (SortBy::Rate, "bytes/s"),
        (SortBy::In, "in/s"),
        (SortBy::Out, "out/s"),
        (SortBy::Total, "total"),
        (SortBy::Retransmits, "retrans/s"),
        (SortBy::Queues, "queues"),
        (SortBy::Problem, "why"),
        (SortBy::Process, "process"),
        (SortBy::State, "state"),
        (SortBy::Local, "local"),
        (SortBy::Peer, "peer"),
    ];

    /// Of groups: the first ones.
    const OF_GROUPS: &[(SortBy, &str)] = SortBy::OF_SOCKETS.split_at(7).0;

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = SortBy::OF_SOCKETS.iter().find(|(by, _)| *by == self);
        found.map_or("", |(_, name)| name)
    }

    /// An order by its name.
    pub fn named(name: &str) -> Option<SortBy> {
        let found = SortBy::OF_SOCKETS.iter().find(|(_, known)| *known == name);
        found.map(|(by, _)| *by)
    }

    /// The names of all.
    pub fn names() -> String {
        let names: Vec<&str> = SortBy::OF_SOCKETS.iter().map(|(_, name)| *name).collect();
        names.join(", ")
    }
}

/// What rows can be grouped by, in the order of the key.
const GROUPS: [Option<GroupBy>; 6] = [
    None,
    Some(GroupBy::Process),
    Some(GroupBy::Unit),
    Some(GroupBy::Container),
    Some(GroupBy::Peer),
    Some(GroupBy::Port),
];

/// A filter while it is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typing {
    /// What was typed so far.
    pub text: String,
    /// Why it cannot be read; the rows are those of the last one that could.
    pub error: Option<String>,
    before: String,
}

/// What is shown.
#[derive(Debug, Clone)]
pub struct View {
    /// What the rows are; `None`: sockets.
    pub group: Option<GroupBy>,
    /// Their order.
    pub sort: SortBy,
    /// Whether it is turned round.
    pub reversed: bool,
    /// Whether the picture stands still.
    pub paused: bool,
    /// What covers the screen.
    pub pane: Pane,
    /// The filter as it was typed.
    pub filter_text: String,
    /// The filter that is being typed.
    pub typing: Option<Typing>,
    /// Whether TCP sockets are shown.
    pub tcp: bool,
    /// Whether UDP sockets are shown.
    pub udp: bool,
    /// Whether Unix sockets are shown.
    pub unix: bool,
    /// Whether only listeners are shown.
    pub listening: bool,
    /// Whether only sockets with a finding are shown.
    pub problems: bool,
    /// The chosen row.
    pub chosen: Option<Subject>,
    /// The first row on the screen.
    pub first: usize,
    /// Which of the findings is chosen.
    pub finding: usize,
    /// How many lines of a text are above the screen.
    pub scrolled: usize,
    /// What the last line says until the next key.
    pub message: Option<String>,
    /// How many rows fit; at least 1.
    room: usize,
    filter: Filter,
    /// Where the chosen row was last seen.
    place: usize,
}

impl View {
    /// What is shown at first.
    pub fn new(filter: Filter, filter_text: String) -> View {
        let asks_for = |of: fn(&Proto) -> bool| filter.protos.iter().any(of);
        let any = filter.protos.is_empty();
        View {
            group: None,
            sort: SortBy::Rate,
            reversed: false,
            paused: false,
            pane: Pane::Rows,
            filter_text,
            typing: None,
            tcp: any || asks_for(is_tcp),
            udp: any || asks_for(|proto| !is_tcp(proto) && !proto.is_unix()),
            unix: asks_for(|proto| proto.is_unix()) || filter.names_unix(),
            listening: false,
            problems: false,
            chosen: None,
            first: 0,
            finding: 0,
            scrolled: 0,
            message: None,
            room: 1,
            filter,
            place: 0,
        }
    }

    /// Takes the filter that was typed, or why it cannot be read.
    pub fn filtered(&mut self, read: Result<Filter, String>) {
        match read {
            Ok(filter) => {
                self.unix |= filter.names_unix();
                self.filter = filter;
                if let Some(typing) = &mut self.typing {
                    typing.error = None;
                    self.filter_text.clone_from(&typing.text);
                }
            }
            Err(error) => {
                if let Some(typing) = &mut self.typing {
                    typing.error = Some(error);
                }
            }
        }
    }

    /// Whether nothing is left out, so that sums make sense.
    pub fn shows_all(&self) -> bool {
        self.filter_text.is_empty() && self.tcp && self.udp && !self.listening && !self.problems
    }

    /// What the keys leave out, in words; empty if nothing.
    pub fn left_out(&self) -> String {
        let hidden = [
            (!self.tcp, "TCP is hidden (t)"),
            (!self.udp, "UDP is hidden (u)"),
            (self.listening, "only listeners (l)"),
            (self.problems, "only problems (!)"),
        ];
        let words: Vec<&str> = hidden.iter().filter(|it| it.0).map(|it| it.1).collect();
        words.join(", ")
    }

    /// The sockets that are shown, in the order of the sample.
    pub(super) fn shown(&self, look: &Look) -> Vec<SocketAt> {
        let owners = self.filter.for_owners(&look.sample.owners);
        let needs_owners = self.filter.needs_owners();
        let is_shown = |at: &SocketAt| {
            let socket = look.sample.socket(*at);
            self.is_of_family(socket)
                && (!self.listening || socket.state == State::Listen)
                && (!self.problems || look.findings.of(*at).next().is_some())
                && self.filter.matches_socket(socket)
                && (!needs_owners || owners.matches(socket))
        };
        look.sample.places().filter(is_shown).collect()
    }

    fn is_of_family(&self, socket: &Socket) -> bool {
        if is_tcp(&socket.proto) {
            self.tcp
        } else if socket.proto.is_unix() {
            self.unix
        } else {
            self.udp
        }
    }

    /// Says how many rows fit, and moves them so that the chosen one is among them. The chosen row follows its
    /// subject; where that is gone, the row at its place is chosen.
    pub fn fit(&mut self, rows: &Rows, room: usize) {
        self.room = room.max(1);
        let last = rows.rows.len().saturating_sub(1);
        let place = self.chosen.as_ref().and_then(|it| rows.place(it));
        if self.chosen.is_some() {
            self.place = place.unwrap_or(self.place.min(last));
            self.chosen = rows.rows.get(self.place).map(|row| row.subject.clone());
            self.first = (self.first).clamp((self.place + 1).saturating_sub(self.room), self.place);
        }
        self.first = self.first.min((last + 1).saturating_sub(self.room));
    }

    /// Where the chosen row is.
    pub fn place(&self) -> Option<usize> {
        self.chosen.is_some().then_some(self.place)
    }

    /// What a key does. `findings`: how many there are.
    pub fn press(&mut self, key: Key, rows: &Rows, findings: usize) -> Action {
        self.message = None;
        match key {
            Key::Interrupt => return Action::Quit,
            Key::Suspend => return Action::Suspend,
            Key::Refresh => return Action::Refresh,
            _ => {}
        }
        if self.typing.is_some() {
            return self.type_filter(key);
        }
        match (self.pane, key) {
            (_, Key::Char('q')) => return Action::Quit,
            (Pane::Help | Pane::Details, Key::Escape | Key::Enter)
            | (Pane::Findings, Key::Escape | Key::Char('f'))
            | (Pane::Help, Key::Char('?' | 'h')) => self.show(Pane::Rows),
            (_, Key::Char('?' | 'h')) => self.show(Pane::Help),
            (_, Key::Char('f')) => self.show(Pane::Findings),
            (Pane::Rows, Key::Enter) if !rows.rows.is_empty() => {
                self.choose(rows, self.place.min(rows.rows.len() - 1));
                self.show(Pane::Details);
            }
            (Pane::Rows, Key::Escape) => self.chosen = None,
            (Pane::Rows | Pane::Details, Key::Char('/')) => {
                self.show(Pane::Rows);
                self.typing = Some(Typing {
                    text: self.filter_text.clone(),
                    before: self.filter_text.clone(),
                    error: None,
                });
            }
            (_, Key::Char('p' | ' ')) => self.paused = !self.paused,
            (_, Key::Char('w')) => return Action::Save,
            (_, Key::Char('+')) => return Action::Slower,
            (_, Key::Char('-')) => return Action::Faster,
            (Pane::Rows, Key::Char(letter)) if !matches!(letter, 'j' | 'k') => self.change(letter),
            (pane, key) => self.go(pane, key, rows, findings),
        }
        Action::None
    }

    fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.scrolled = 0;
    }

    /// The letters that change what the rows are.
    fn change(&mut self, letter: char) {
        match letter {
            's' => self.sort_by_next(),
            'S' => {
                self.reversed = !self.reversed;
                let how = if self.reversed { ", reversed" } else { "" };
                self.message = Some(format!("sorted by {}{how}", self.sort.name()));
            }
            'g' => {
                let now = GROUPS.iter().position(|by| *by == self.group);
                self.group = GROUPS[(now.unwrap_or(0) + 1) % GROUPS.len()];
                self.chosen = None;
                (self.first, self.place) = (0, 0);
                let what = self.group.map_or("socket", GroupBy::name);
                self.message = Some(format!("a row for each {what}"));
                let orders = SortBy::OF_GROUPS.iter();
                if self.group.is_some() && !orders.clone().any(|(by, _)| *by == self.sort) {
                    self.sort = SortBy::Rate;
                }
            }
            't' => toggle(
                &mut self.tcp,
                &mut self.message,
                ["TCP sockets are shown", "TCP sockets are hidden (t)"],
            ),
            'u' => toggle(
                &mut self.udp,
                &mut self.message,
                ["UDP sockets are shown", "UDP sockets are hidden (u)"],
            ),
            'x' => toggle(
                &mut self.unix,
                &mut self.message,
                ["Unix sockets are shown", "Unix sockets are hidden (x)"],
            ),
            'l' => toggle(
                &mut self.listening,
                &mut self.message,
                ["only listeners are shown (l)", "all states are shown"],
            ),
            '!' => toggle(
                &mut self.problems,
                &mut self.message,
                [
                    "only sockets with a problem are shown (!)",
                    "sockets without a problem are shown too",
                ],
            ),
            _ => {}
        }
    }

    fn sort_by_next(&mut self) {
        let orders = match self.group {
            None => SortBy::OF_SOCKETS,
            Some(_) => SortBy::OF_GROUPS,
        };
        let now = orders.iter().position(|(by, _)| *by == self.sort);
        self.sort = orders[now.map_or(0, |at| at + 1) % orders.len()].0;
        self.message = Some(format!("sorted by {}", self.sort.name()));
    }

    /// The keys that move.
    fn go(&mut self, pane: Pane, key: Key, rows: &Rows, findings: usize) {
        let (now, count) = match pane {
            Pane::Rows => (self.place, rows.rows.len()),
            Pane::Findings => (self.finding, findings),
            // The picture knows where the text ends.
            Pane::Details | Pane::Help => (self.scrolled, usize::MAX),
        };
        // The first key only makes the chosen row visible.
        let is_first = pane == Pane::Rows && self.chosen.is_none();
        let to = match key {
            Key::Down if is_first => self.first,
            Key::Down | Key::Char('j') => now.saturating_add(1),
            Key::Up | Key::Char('k') => now.saturating_sub(1),
            Key::PageDown => now.saturating_add(self.room),
            Key::PageUp => now.saturating_sub(self.room),
            Key::Home => 0,
            Key::End => count,
            _ => return,
        };
        let to = to.min(count.saturating_sub(1));
        match pane {
            Pane::Rows => self.choose(rows, to),
            Pane::Findings => self.finding = to,
            Pane::Details | Pane::Help => self.scrolled = to,
        }
    }

    fn choose(&mut self, rows: &Rows, place: usize) {
        self.place = place;
        self.chosen = rows.rows.get(place).map(|row| row.subject.clone());
    }

    fn type_filter(&mut self, key: Key) -> Action {
        let Some(typing) = &mut self.typing else {
            return Action::None;
        };
        match key {
            Key::Char(letter) if !letter.is_control() && typing.text.len() < MOST_TYPED => {
                typing.text.push(letter);
            }
            Key::Backspace => {
                typing.text.pop();
            }
            Key::EraseLine => typing.text.clear(),
            Key::Enter if typing.error.is_none() => {
                self.typing = None;
                return Action::None;
            }
            Key::Escape => typing.text.clone_from(&typing.before),
            _ => return Action::None,
        }
        Action::ReadFilter
    }

    /// Ends the typing of a filter that was given up, once the former one is read again.
    pub fn end_typing(&mut self, key: Key) {
        if key == Key::Escape {
            self.typing = None;
        }
    }
}

/// Turns a choice round, and says what is shown then.
fn toggle(choice: &mut bool, message: &mut Option<String>, words: [&str; 2]) {
    *choice = !*choice;
    *message = Some(words[usize::from(!*choice)].to_owned());
}

/// The longest filter that can be typed, in bytes.
const MOST_TYPED: usize = 1_000;

fn is_tcp(proto: &Proto) -> bool {
    matches!(proto, Proto::Tcp | Proto::Mptcp)
}
