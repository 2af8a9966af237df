//! The screen of `sockdoc top`, drawn with ratatui from a look, a view and what is remembered.
//!
//! | file | what it draws |
//! |---|---|
//! | this one | [`Screen`]; the first lines and the last |
//! | [`mod@table`] | the rows: which columns fit, and their cells |
//! | `details` | all about one row |
//! | `panes` | the findings, the keys |
//! | [`plain`] | one frame as text, and one interval as JSON |
//!
//! Meaning is never in the colour alone: a letter or a word says the same. Colours are blue and yellow on the
//! terminal's own background.

mod details;
mod panes;
pub mod plain;
pub mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::sockets::{Names, Sheet, cells, column, rates, text::shorten};
use crate::diagnose::Severity;
use crate::host::Index;
use crate::render::thousands;
use crate::top::{Look, Memory, Pane, Rows, Trouble, View};

/// All that is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Screen<'a> {
    /// The last interval.
    pub look: &'a Look,
    /// Its rows.
    pub rows: &'a Rows,
    /// What is shown of it.
    pub view: &'a View,
    /// What went before.
    pub memory: &'a Memory,
    /// What numbers are called.
    pub names: &'a Names,
    /// The name of this host.
    pub host: &'a str,
    /// The time between two looks.
    pub interval: Duration,
    /// With colours or without.
    pub palette: Palette,
}

/// The styles, in one place.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    /// Whether there are colours.
    pub colour: bool,
    /// Whether the terminal shows ASCII only.
    pub ascii: bool,
}

impl Palette {
    fn coloured(self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }

    fn severity(self, severity: Severity) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match severity {
            Severity::Notice => bold,
            Severity::Warning => self.coloured(bold, Color::Yellow),
            Severity::Error => self
                .coloured(bold, Color::Yellow)
                .add_modifier(Modifier::REVERSED),
        }
    }

    fn new_row(self) -> Style {
        self.coloured(Style::new().add_modifier(Modifier::BOLD), Color::Cyan)
    }

    fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn bold() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn heading() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// How many rows fit below the first lines and above the last, of a screen that is so high.
pub fn room(height: u16) -> usize {
    Chrome::of(height).room(height)
}

/// A screen of this many lines has all the lines around the rows.
const HEIGHT_OF_ALL: u16 = 16;

/// The lines around the rows. A low screen has fewer.
#[derive(Debug, Clone, Copy)]
struct Chrome {
    totals: u16,
    findings: u16,
    titles: u16,
    why: u16,
    keys: u16,
}

impl Chrome {
    fn of(height: u16) -> Chrome {
        let from = |least: u16, lines: u16| if height >= least { lines } else { 0 };
        Chrome {
            totals: from(3, 1),
            findings: from(6, 1),
            titles: from(4, 1),
            why: from(9, 1) + from(HEIGHT_OF_ALL, 1),
            keys: from(5, 1),
        }
    }

    fn above(self) -> u16 {
        self.totals + self.findings + self.titles
    }

    fn room(self, height: u16) -> usize {
        usize::from(height.saturating_sub(self.above() + self.why + self.keys))
    }
}

/// Draws the screen.
pub fn draw(area: Rect, buffer: &mut Buffer, screen: &Screen<'_>) {
    let chrome = Chrome::of(area.height);
    let mut page = Page {
        area,
        buffer,
        row: 0,
    };
    if chrome.totals > 0 {
        page.line(&totals(screen, area.width), Palette::bold());
    }
    if chrome.findings > 0 {
        findings(&mut page, screen);
    }
    let room = chrome.room(area.height);
    match screen.view.pane {
        Pane::Rows => {
            table::draw(&mut page, screen, chrome.titles > 0, room);
            page.row = chrome.above() + u16::try_from(room).unwrap_or(u16::MAX);
            why(&mut page, screen, chrome.why);
        }
        other => {
            // It needs no titles and no line for what is wrong with the chosen row.
            let room = room + usize::from(chrome.titles + chrome.why);
            match other {
                Pane::Details => details::draw(&mut page, screen, room),
                Pane::Findings => panes::findings(&mut page, screen, room),
                _ => panes::help(&mut page, screen, room),
            }
        }
    }
    if chrome.keys > 0 {
        page.row = area.height - 1;
        last_line(&mut page, screen);
    }
    if screen.palette.ascii {
        spell_in_ascii(area, page.buffer);
    }
}

/// Puts ASCII in the place of what a terminal without UTF-8 would show as several letters.
fn spell_in_ascii(area: Rect, buffer: &mut Buffer) {
    for position in area.positions() {
        let cell = &mut buffer[position];
        let Some(first) = cell.symbol().chars().next().filter(|it| !it.is_ascii()) else {
            continue;
        };
        let plain = match first {
            '▁' | '▂' => ".",
            '▃' | '▄' => ":",
            '▅' | '▆' => "+",
            '▇' | '█' => "#",
            '…' => "~",
            _ => "?",
        };
        cell.set_symbol(plain);
    }
}

/// Lines from the top down.
struct Page<'a> {
    area: Rect,
    buffer: &'a mut Buffer,
    row: u16,
}

impl Page<'_> {
    fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// Writes a line, which is cut at the right edge, in one style from edge to edge.
    fn line(&mut self, text: &str, style: Style) {
        if self.row >= self.area.height {
            return;
        }
        let y = self.area.y + self.row;
        let line = Rect::new(self.area.x, y, self.area.width, 1);
        self.buffer.set_style(line, style);
        self.buffer
            .set_stringn(self.area.x, y, text, self.width(), style);
        self.row += 1;
    }

    /// Paints a part of the last line that was written.
    fn paint(&mut self, from: usize, columns: usize, style: Style) {
        let columns = columns.min(self.width().saturating_sub(from));
        let (Ok(from), Ok(columns)) = (u16::try_from(from), u16::try_from(columns)) else {
            return;
        };
        let y = self.area.y + self.row.saturating_sub(1);
        let part = Rect::new(self.area.x + from, y, columns, 1);
        self.buffer.set_style(part, style);
    }
}

impl<'a> Screen<'a> {
    /// Calls a function with what cells are written from.
    fn with_sheet<T>(&self, write: impl FnOnce(&Sheet<'_>) -> T) -> T {
        write(&Sheet {
            index: &Index::new(&self.look.sample),
            delta: None,
            findings: &self.look.findings,
            shown: &[],
            names: self.names,
        })
    }

    /// A count of the interval as a rate; nothing where there is no such counter or no interval.
    fn rate(&self, count: Option<u64>) -> String {
        let rate = count.and_then(|count| self.look.per_second(count));
        rate.map_or_else(String::new, |rate| rates::text(rate, false))
    }

    fn troubles(&self) -> &'a [Trouble] {
        &self.memory.troubles
    }

    /// How long ago something was, in this look.
    fn ago(&self, then: Duration) -> String {
        let age = self.look.at.saturating_sub(then).as_millis();
        crate::diagnose::words::age(u32::try_from(age).unwrap_or(u32::MAX))
    }
}

/// The first line: `sockdoc top  web1  412 sockets  in 1.2 MB/s  out 310 kB/s  retr 0.3 %   2 s  q ?`.
fn totals(screen: &Screen<'_>, width: u16) -> String {
    let Screen { look, view, .. } = screen;
    let whole = look.whole();
    let mut parts = vec!["sockdoc top".to_owned(), screen.host.to_owned()];
    let matched = screen.rows.matched as u64;
    let plural = if matched == 1 { "" } else { "s" };
    parts.push(format!("{} socket{plural}", thousands(matched)));
    if !look.elapsed.is_zero() {
        let sum = |of: fn(&crate::top::InterfaceRate) -> u64| -> u64 {
            look.interfaces.iter().map(of).sum()
        };
        parts.push(format!(
            "in {}B/s",
            unit(&screen.rate(Some(sum(|it| it.in_bytes))))
        ));
        parts.push(format!(
            "out {}B/s",
            unit(&screen.rate(Some(sum(|it| it.out_bytes))))
        ));
        if let (Some(again), Some(sent)) = (whole.retransmits, whole.out_segments) {
            let share = 100.0 * again as f64 / sent.max(1) as f64;
            parts.push(format!("retr {share:.1} %"));
        }
    }
    if look.missed {
        parts.push("some closed uncounted".to_owned());
    }
    let right = if view.paused {
        "PAUSED".to_owned()
    } else {
        interval(screen.interval)
    };
    // The last ones go first where there is no room.
    let room = usize::from(width).saturating_sub(right.len() + 2);
    while parts.len() > 1 && cells::width(&parts.join("  ")) > room {
        let dispensable = if parts.len() > 3 { parts.len() - 1 } else { 1 };
        parts.remove(dispensable);
    }
    let left = parts.join("  ");
    let gap = usize::from(width).saturating_sub(cells::width(&left) + right.len());
    format!("{left}{}{right}", " ".repeat(gap))
}

/// `1.2M` as `1.2 M`, so that the unit can follow.
fn unit(rate: &str) -> String {
    match rate.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => format!("{} {}", &rate[..at], &rate[at..]),
        None => format!("{rate} "),
    }
}

fn interval(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if time.subsec_millis() == 0 {
        format!("{seconds:.0} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// The second line: what is wrong, the worst first.
fn findings(page: &mut Page<'_>, screen: &Screen<'_>) {
    let now: Vec<&Trouble> = screen
        .troubles()
        .iter()
        .filter(|trouble| trouble.ended.is_none())
        .collect();
    let Some(worst) = now.first() else {
        page.line("no problems found", Palette::dim());
        return;
    };
    let more = match now.len() {
        1 => "f: findings".to_owned(),
        count => format!("{} more, f: all", count - 1),
    };
    let word = worst.severity.word().to_ascii_uppercase();
    let mut text = format!("{word} {}", headline(worst));
    let room = page.width().saturating_sub(more.len() + 2);
    shorten_end(&mut text, room);
    let gap = page
        .width()
        .saturating_sub(cells::width(&text) + more.len());
    page.line(&format!("{text}{}{more}", " ".repeat(gap)), Style::new());
    page.paint(0, word.len(), screen.palette.severity(worst.severity));
}

/// `web(4242): stopped while 14 connections wait for it`.
fn headline(trouble: &Trouble) -> String {
    let headline = cells_safe(&trouble.headline);
    let mut text = String::new();
    if let Some(process) = &trouble.process
        && !headline.contains(&format!("(pid {})", process.pid))
    {
        cells::comm(&mut text, process);
        let _ = write!(text, "({}): ", process.pid);
    }
    text + &headline
}

/// What is wrong with the chosen row, above the last line.
fn why(page: &mut Page<'_>, screen: &Screen<'_>, lines: u16) {
    let chosen = screen.view.place().and_then(|at| screen.rows.rows.get(at));
    let Some(at) = chosen.and_then(|row| row.socket) else {
        return;
    };
    let mut text = String::new();
    screen.with_sheet(|sheet| column::why(&mut text, sheet.row(at), sheet));
    let worst = chosen.and_then(|row| row.worst);
    let style = worst.map_or(Style::new(), |worst| screen.palette.severity(worst));
    let wrapped = crate::render::wrap::lines(&text, Some(page.area.width), 0);
    for line in wrapped.iter().take(usize::from(lines)) {
        page.line(line, style.remove_modifier(Modifier::REVERSED));
    }
}

/// The last line: a filter that is typed, a message, or the keys.
fn last_line(page: &mut Page<'_>, screen: &Screen<'_>) {
    let view = screen.view;
    if let Some(typing) = &view.typing {
        let error = typing.error.as_deref().unwrap_or("");
        let mut text = format!("/{}", cells_safe(&typing.text));
        if error.is_empty() {
            text.push('_');
        } else {
            text.push_str("  ");
        }
        let from = cells::width(&text);
        text.push_str(&cells_safe(error));
        page.line(&text, Palette::bold());
        page.paint(
            from,
            error.len(),
            screen.palette.severity(Severity::Warning),
        );
        return;
    }
    if let Some(message) = &view.message {
        page.line(&cells_safe(message), Palette::bold());
        return;
    }
    let mut keys = match view.pane {
        Pane::Rows => {
            "/ filter  s sort  g group  p pause  Enter details  f findings  ? help  q quit"
        }
        Pane::Findings => "Up Down choose  Esc back  ? help  q quit",
        Pane::Details | Pane::Help => "Up Down scroll  Esc back  q quit",
    }
    .to_owned();
    if !view.filter_text.is_empty() {
        keys = format!(
            "filter: {}  / change  ? help  q quit",
            cells_safe(&view.filter_text)
        );
    }
    if cells::width(&keys) > page.width() {
        "? help  q quit".clone_into(&mut keys);
    }
    page.line(&keys, Palette::dim());
}

/// Foreign text without what a terminal would obey.
fn cells_safe(text: &str) -> String {
    crate::render::escape::text(text).into_owned()
}

/// Cuts a text at its end.
fn shorten_end(text: &mut String, most: usize) {
    if cells::width(text) <= most {
        return;
    }
    while cells::width(text) + 1 > most && text.pop().is_some() {}
    if most > 0 {
        text.push('…');
    }
}

/// Cuts an address, whose port stays whole where that leaves something of the address.
fn shorten_address(text: &mut String, most: usize) {
    let port = text.rfind(':').map(|at| &text[at..]);
    let is_port = |port: &&str| port.len() > 1 && port[1..].bytes().all(|c| c.is_ascii_digit());
    let port = port.filter(is_port).unwrap_or_default().to_owned();
    let is_narrow = most < LEAST_ADDRESS + port.len();
    if cells::width(text) > most && is_narrow && port.len() + 2 <= most {
        text.truncate(text.len() - port.len());
        shorten_end(text, most - port.len());
        text.push_str(&port);
    } else {
        shorten(text, most, Some(most));
    }
}

/// An address that is cut in its middle needs this much.
const LEAST_ADDRESS: usize = 8;
