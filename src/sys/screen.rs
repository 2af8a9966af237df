//! The terminal as a screen: raw mode, the alternate screen, keys, and giving all of it back.
//!
//! The mouse is not captured, so that text can be selected as ever. The terminal is restored when the
//! [`Screen`] is dropped, before a panic is reported, and before the program stops on Ctrl-Z; SIGINT, SIGTERM
//! and SIGTSTP are read as events (signalfd(2)), so none of them ends the program half-way.

use std::io::{self, Stdout, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    self, Event as TerminalEvent, KeyCode, KeyEventKind, KeyModifiers,
};
use ratatui::crossterm::{cursor, execute, terminal};
use ratatui::layout::Rect;

use super::signals::Signals;
use super::waiting::ready_within;
use crate::error::{Error, Kind, Result};
use crate::top::Key;

/// The screen, ours until it is dropped.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    signals: Signals,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// The terminal has another size, or what was on it is to be drawn again.
    Resized,
    /// A signal asks the program to end.
    End,
    /// A signal asks the program to stop until SIGCONT.
    Stop,
    /// Something can be read from a descriptor that was given.
    Ready,
    /// The time came.
    Time,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard input or output is not a terminal, or cannot be set.
    pub fn open() -> Result<Screen> {
        use std::io::IsTerminal as _;
        if !stdin().is_terminal() || !stdout().is_terminal() {
            let cause = "standard input and output are not both a terminal";
            return Err(Error::new(Kind::CannotRun, "open the screen", cause)
                .next("sockdoc top --once prints one frame; --json writes each interval"));
        }
        let signals = Signals::open_with_stop()?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        take()
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())))
            .map(|terminal| Screen { terminal, signals })
            .map_err(|error| {
                give_back();
                Error::os(Kind::CannotRun, "open the screen", &error)
            })
    }

    /// Draws a picture.
    pub fn draw(&mut self, picture: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.terminal.draw(|frame| {
            let area = frame.area();
            picture(area, frame.buffer_mut());
        })?;
        Ok(())
    }

    /// How many lines it has.
    pub fn height(&self) -> u16 {
        self.terminal.size().map_or(24, |size| size.height)
    }

    /// Forgets what is on the screen, so that all of it is drawn again.
    pub fn refresh(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Gives the terminal back, stops until SIGCONT, and takes the terminal again.
    pub fn stop(&mut self) -> io::Result<()> {
        give_back();
        Signals::stop();
        take()?;
        self.terminal.clear()
    }

    /// Waits for what comes first: a key, a signal, one of these descriptors, the time.
    pub fn wait(&self, others: &[BorrowedFd<'_>], until: Instant) -> io::Result<Event> {
        loop {
            // What was read before and is not handed out yet stays with crossterm.
            if event::poll(std::time::Duration::ZERO)? {
                match event::read()? {
                    TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
                        if let Some(key) = read_key(key.code, key.modifiers) {
                            return Ok(Event::Key(key));
                        }
                    }
                    TerminalEvent::Resize(..) => return Ok(Event::Resized),
                    _ => {}
                }
                continue;
            }
            let requests = self.signals.take_requests();
            if requests.end || requests.progress {
                return Ok(Event::End);
            }
            if requests.stop {
                return Ok(Event::Stop);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Event::Time);
            }
            let input = stdin();
            let mut fds = vec![
                PollFd::new(input.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            fds.extend(others.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
            match ready_within(&mut fds, Some(left)) {
                // A signal that crossterm catches: the window has another size.
                Err(nix::Error::EINTR) | Ok(false) => {}
                Err(errno) => return Err(errno.into()),
                Ok(true) => {
                    let has = |fd: &PollFd<'_>, flags| {
                        fd.revents().is_some_and(|came| came.intersects(flags))
                    };
                    // The terminal is gone.
                    if has(&fds[0], PollFlags::POLLHUP | PollFlags::POLLERR) {
                        return Ok(Event::End);
                    }
                    if fds[2..].iter().any(|fd| has(fd, PollFlags::all())) {
                        return Ok(Event::Ready);
                    }
                }
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    execute!(stdout(), terminal::EnterAlternateScreen, cursor::Hide)
}

/// As far as it goes: there is nobody to tell.
fn give_back() {
    let _ = execute!(stdout(), terminal::LeaveAlternateScreen, cursor::Show);
    let _ = terminal::disable_raw_mode();
}

fn read_key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return match code {
            KeyCode::Char('c') => Some(Key::Interrupt),
            KeyCode::Char('u') => Some(Key::EraseLine),
            KeyCode::Char('z') => Some(Key::Suspend),
            KeyCode::Char('l') => Some(Key::Refresh),
            KeyCode::Char('h') => Some(Key::Backspace),
            _ => None,
        };
    }
    Some(match code {
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::F(1) => Key::Char('?'),
        KeyCode::F(4) => Key::Char('/'),
        KeyCode::F(6) => Key::Char('s'),
        _ => return None,
    })
}
