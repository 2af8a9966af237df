//! What was tried in turn: a title, what came of it, and the time that it took.

use std::io::{self, Write};
use std::time::Duration;

use super::{Paint, Style, escape, wrap};

/// The least width of the titles.
const TITLES: usize = 10;
/// Room for a time.
const TIMES: usize = 9;
/// The width without a terminal, where times are put; nothing is wrapped then.
const WIDTH: u16 = 80;

/// A step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What was tried; empty if it is that of the step before.
    pub title: String,
    /// What came of it. It may hold anything: it is escaped.
    pub text: String,
    /// How long it took.
    pub time: Option<Duration>,
    /// Its colour.
    pub paint: Option<Paint>,
}

impl Step {
    /// A step without a time.
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Step {
        Step {
            title: title.into(),
            text: text.into(),
            ..Step::default()
        }
    }

    /// The same with a time.
    #[must_use]
    pub fn took(self, time: Duration) -> Step {
        Step {
            time: Some(time),
            ..self
        }
    }

    /// The same in a colour.
    #[must_use]
    pub fn painted(self, paint: Paint) -> Step {
        Step {
            paint: Some(paint),
            ..self
        }
    }
}

/// Writes the steps: titles on the left, times on the right.
pub fn write(
    out: &mut (impl Write + ?Sized),
    steps: &[Step],
    style: Style,
    width: Option<u16>,
) -> io::Result<()> {
    let titles = steps.iter().map(|step| step.title.chars().count());
    let margin = 4 + titles.max().unwrap_or(0).max(TITLES);
    let right = usize::from(width.unwrap_or(WIDTH)).saturating_sub(TIMES + margin);
    for step in steps {
        let text = escape::text(&step.text);
        let mut title = escape::text(&step.title).into_owned();
        let mut time = step.time.map(shown);
        for line in wrap::lines(&text, width, margin + TIMES) {
            write!(out, "  {title:<0$}", margin - 2)?;
            match step.paint {
                Some(paint) => write!(out, "{}", style.paint(paint, &line))?,
                None => write!(out, "{line}")?,
            }
            if let Some(time) = time.take() {
                let gap = right.saturating_sub(line.chars().count());
                write!(out, "{:gap$} {time:>1$}", "", TIMES - 1)?;
            }
            writeln!(out)?;
            title.clear();
        }
    }
    Ok(())
}

/// A time as people say it.
pub fn shown(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<u16>) -> String {
        let steps = [
            Step::new("name", "10.9.1.1").took(Duration::from_micros(120)),
            Step::new("", "word ".repeat(20).trim()).took(Duration::from_secs(5)),
            Step::new("route", "a\n\x1b[2J"),
        ];
        let mut out = Vec::new();
        write(&mut out, &steps, Style::new(false), width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_at_the_right_and_nothing_can_forge_a_line() {
        let text = written(Some(60));
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("  name        10.9.1.1 "), "{first:?}");
        assert!(
            first.len() == 60 && first.ends_with("  0.1 ms"),
            "{first:?}"
        );
        assert!(text.ends_with("  route       a\\n\\x1b[2J\n"), "{text}");
    }

    #[test]
    fn without_a_terminal_a_step_is_one_line() {
        assert_eq!(written(None).lines().count(), 3);
    }

    #[test]
    fn times_are_short() {
        let of = |micros| shown(Duration::from_micros(micros));
        assert_eq!(
            [of(40), of(12_345), of(5_012_000)],
            ["0.0 ms", "12 ms", "5.0 s"]
        );
        assert_eq!(of(999_900), "1.0 s");
    }
}
