//! `sockdoc top` in a terminal, tmux's: keys, another size, and the terminal as it was, however it ends.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{program, skip, until};

/// A terminal with a shell in it, and a server of its own that ends with it.
struct Terminal(String, tempfile::TempDir);

impl Terminal {
    fn new(test: &str) -> Option<Terminal> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        if program("tmux").is_none() {
            skip(test, "there is no tmux");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockdoc-{}-{number}", std::process::id());
        let terminal = Terminal(name, tempfile::tempdir().expect("a folder"));
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            "env PS1='ready> ' sh",
        ]);
        assert!(started.status.success(), "{started:?}");
        terminal.shows("ready>");
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.0]).args(args);
        // The names of keys and characters of more than one byte.
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command.output().expect("tmux runs")
    }

    fn press(&self, keys: &[&str]) {
        let mut args = vec!["send-keys"];
        args.extend(keys);
        assert!(self.tmux(&args).status.success());
    }

    fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen has a text, and gives it.
    fn shows(&self, text: &str) -> String {
        until(text, || {
            Some(self.screen()).filter(|screen| screen.contains(text))
        })
    }

    fn is_alternate(&self) -> bool {
        let output = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        output.stdout.starts_with(b"1 0")
    }

    /// Starts the program and waits for its first screen; gives its process id.
    fn start(&self) -> u32 {
        let file = self.1.path().join("pid");
        let (binary, file) = (env!("CARGO_BIN_EXE_sockdoc"), file.display());
        let command = format!("sh -c 'echo $$ >{file}; exec {binary} top -i 0.5'");
        self.press(&[&command, "Enter"]);
        self.shows("q quit");
        assert!(self.is_alternate());
        let pid = std::fs::read_to_string(file.to_string()).expect("its number");
        pid.trim().parse().expect("a number")
    }

    /// Waits for the shell, whose screen and settings are as they were.
    fn is_restored(&self, how: &str) {
        // What is typed before the shell asks may be lost.
        until(how, || {
            let screen = self.screen();
            let asks = screen.trim_end().ends_with("ready>");
            (asks && !self.is_alternate()).then_some(())
        });
        self.press(&["echo $((6 * 7)) shown", "Enter"]);
        self.shows("42 shown");
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on}#{cursor_flag}"]);
        assert_eq!(flags.stdout.trim_ascii(), b"01", "{how}");
        self.press(&["clear", "Enter"]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn keys_and_another_size_change_the_screen() {
    let Some(terminal) = Terminal::new("keys_and_another_size_change_the_screen") else {
        return;
    };
    terminal.start();
    terminal.press(&["g"]);
    terminal.shows("SOCKETS");
    terminal.press(&["/", ":", "1"]);
    terminal.shows("/:1_");
    terminal.press(&["Escape"]);
    terminal.shows("/ filter");
    terminal.press(&["?"]);
    terminal.shows("Keys");
    // Escape and a letter that comes at once are a letter with Alt.
    terminal.press(&["Escape"]);
    terminal.shows("SOCKETS");
    terminal.press(&["p"]);
    terminal.shows("PAUSED");
    terminal.press(&["p"]);
    terminal.tmux(&["resize-window", "-x", "40", "-y", "12"]);
    let narrow = until("a narrow screen", || {
        let screen = terminal.screen();
        let last = screen
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        (last == "? help  q quit").then_some(screen)
    });
    assert!(
        narrow.lines().all(|line| line.chars().count() <= 40),
        "{narrow}"
    );
    terminal.press(&["q"]);
    terminal.is_restored("q");
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let Some(terminal) = Terminal::new("the_terminal_is_given_back_however_it_ends") else {
        return;
    };
    terminal.start();
    terminal.press(&["C-c"]);
    terminal.is_restored("Ctrl-C");
    crate::support::signal(terminal.start(), "TERM");
    terminal.is_restored("SIGTERM");
    terminal.start();
    terminal.press(&["C-z"]);
    terminal.is_restored("Ctrl-Z");
    terminal.press(&["fg", "Enter"]);
    terminal.shows("q quit");
    assert!(terminal.is_alternate());
    terminal.press(&["q"]);
    terminal.is_restored("fg and q");
}

/// What the test below runs in a terminal. The screen is not dropped, as in a program that aborts: only the
/// hook can give the terminal back.
#[test]
#[ignore = "it panics; the test of what a panic leaves runs it in a terminal"]
fn panic_with_the_screen_open() {
    let screen = sockdoc::sys::screen::Screen::open().expect("a terminal");
    let mut screen = std::mem::ManuallyDrop::new(screen);
    let picture = |area: ratatui::layout::Rect, buffer: &mut ratatui::buffer::Buffer| {
        buffer.set_string(area.x, area.y, "a picture", ratatui::style::Style::new());
    };
    screen.draw(picture).expect("drawn");
    panic!("with the screen open");
}

#[test]
fn the_terminal_is_given_back_before_a_panic_is_reported() {
    let name = "the_terminal_is_given_back_before_a_panic_is_reported";
    let Some(terminal) = Terminal::new(name) else {
        return;
    };
    let tests = std::env::current_exe().expect("this program");
    let command = format!(
        "{} --ignored --exact --nocapture screen::panic_with_the_screen_open",
        tests.display()
    );
    terminal.press(&["clear", "Enter"]);
    terminal.press(&[&command, "Enter"]);
    terminal.shows("with the screen open");
    terminal.is_restored("a panic");
}
