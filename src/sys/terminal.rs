//! The terminal: is it one, how wide is it, may it be coloured; progress on it.

use std::io::{self, IsTerminal, Write as _};
use std::os::fd::RawFd;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The width of the terminal on standard output in columns; `None` if it is not a terminal.
pub fn stdout_width() -> Option<u16> {
    stdout_is_terminal().then(|| width_of(libc::STDOUT_FILENO))
}

/// The lines of the terminal on standard output; `None` if it is not a terminal.
pub fn stdout_height() -> Option<u16> {
    stdout_is_terminal().then(|| match size_of(libc::STDOUT_FILENO) {
        Some(size) if size.ws_row > 0 => size.ws_row,
        _ => 24,
    })
}

/// The columns and lines of the terminal on standard output; `None` if it is not a terminal.
pub fn stdout_size() -> Option<(u16, u16)> {
    let size = size_of(libc::STDOUT_FILENO)?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// The width of the terminal of a descriptor, or 80.
fn width_of(fd: RawFd) -> u16 {
    match size_of(fd) {
        Some(size) if size.ws_col > 0 => size.ws_col,
        _ => 80,
    }
}

fn size_of(fd: RawFd) -> Option<libc::winsize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one winsize (ioctl_tty(2)), which lives through the call.
    let failed = unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size) } < 0;
    (!failed).then_some(size)
}

/// Whether the environment asks for no colour: `NO_COLOR` set and not empty, or `TERM=dumb`.
pub fn environment_forbids_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the terminal shows UTF-8: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set says so (locale(7)).
/// In most containers none is, and the terminal shows it all the same.
pub fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        (!value.is_empty()).then_some(value)
    });
    set.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.ends_with("utf-8") || locale.ends_with("utf8")
    })
}

/// A progress line of a long run on standard error; nothing if standard error is not a
/// terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts one; `total` is the number of steps if known.
    pub fn start(total: Option<u64>) -> Progress {
        if !stderr_is_terminal() {
            return Progress(ProgressBar::hidden());
        }
        // Ten times a second is quick enough for an eye and costs the run nothing.
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(ShortLine), 10);
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::with_draw_target(Some(total), target),
                "{elapsed} {wide_bar} {pos}/{len} {msg}",
            ),
            None => (
                ProgressBar::with_draw_target(None, target),
                "{elapsed} {pos} {msg}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// Shows the steps done and a word about them.
    pub fn show(&self, done: u64, message: String) {
        if !self.0.is_hidden() {
            self.0.set_message(message);
            self.0.set_position(done);
        }
    }

    /// Removes the line.
    pub fn finish(self) {
        self.0.finish_and_clear();
    }

    /// How often it is worth calling [`Progress::show`].
    pub const INTERVAL: Duration = Duration::from_millis(100);
}

/// Amounts that rise and fall, a bar for each, on standard error; nothing if that is not a terminal.
#[derive(Debug)]
pub struct Gauges {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    /// What a full bar stands for: the most that any of them was.
    most: u64,
}

impl Gauges {
    /// Starts them; a full bar is `most` or what is more.
    pub fn start(labels: &[&'static str], most: u64) -> Gauges {
        // Several lines need the whole width: the terminal itself begins the next one.
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bars = labels.iter().map(|label| {
            let bar = all.add(ProgressBar::new(most));
            if let Ok(style) = ProgressStyle::with_template("  {prefix}  {wide_bar} {pos:>11}") {
                bar.set_style(style);
            }
            bar.set_prefix(*label);
            bar
        });
        Gauges {
            bars: bars.collect(),
            all: all.clone(),
            most,
        }
    }

    /// Shows amounts, in the order of the labels.
    pub fn show(&mut self, amounts: &[u64]) {
        let most = amounts.iter().copied().max().unwrap_or(0);
        self.most = self.most.max(most);
        for (bar, amount) in self.bars.iter().zip(amounts) {
            bar.set_length(self.most);
            bar.set_position(*amount);
        }
    }

    /// The most that any of them was.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Removes them.
    pub fn finish(self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
        let _ = self.all.clear();
    }
}

/// Standard error as a terminal of which the last columns are never written to: the `^C` that it
/// shows for an interrupt stays on the line, so that removing the line removes all of it.
#[derive(Debug)]
struct ShortLine;

impl ShortLine {
    /// `^C`, and a column so that it does not end the line.
    const KEPT_FREE: u16 = 3;

    fn write(text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }

    fn move_cursor(n: usize, letter: char) -> io::Result<()> {
        match n {
            0 => Ok(()),
            n => Self::write(&format!("\x1b[{n}{letter}")),
        }
    }
}

impl TermLike for ShortLine {
    fn width(&self) -> u16 {
        width_of(libc::STDERR_FILENO)
            .saturating_sub(Self::KEPT_FREE)
            .max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        Self::write(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::write("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}
