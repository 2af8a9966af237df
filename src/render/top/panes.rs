//! The findings, and the keys.

use ratatui::style::Style;

use super::details::{draw_lines, whole};
use super::{Page, Palette, Screen, headline, shorten_end};

/// Draws the findings: a line each, then the chosen one whole.
pub(super) fn findings(page: &mut Page<'_>, screen: &Screen<'_>, room: usize) {
    let troubles = screen.troubles();
    if troubles.is_empty() {
        page.line("No problems found.", Palette::bold());
        return;
    }
    let chosen = screen.view.finding.min(troubles.len() - 1);
    let list = (room / 3).clamp(1, troubles.len());
    let first = (chosen + 1).saturating_sub(list);
    let width = page.width();
    for (place, trouble) in troubles.iter().enumerate().skip(first).take(list) {
        let since = match trouble.ended {
            Some(ended) => format!("ended {} ago", screen.ago(ended)),
            None if trouble.since == screen.memory.begun => "from the start".to_owned(),
            None if trouble.since == screen.look.at => "new".to_owned(),
            None => format!("for {}", screen.ago(trouble.since)),
        };
        let word = trouble.severity.word().to_ascii_uppercase();
        let mut text = format!("{word:<8}{since:<16}{}", headline(trouble));
        shorten_end(&mut text, width);
        let style = match trouble.ended {
            Some(_) => Palette::dim(),
            None => Style::new(),
        };
        if place == chosen {
            page.line(&text, style.patch(Palette::heading()));
        } else {
            page.line(&text, style);
            page.paint(0, word.len(), screen.palette.severity(trouble.severity));
        }
    }
    page.line("", Style::new());
    let trouble = &troubles[chosen];
    let is_it = |block: &&crate::diagnose::Block| {
        std::ptr::eq(block.finding.rule, trouble.rule) && block.finding.headline == trouble.headline
    };
    let block = screen.look.blocks.iter().find(is_it);
    let lines = match block.filter(|_| trouble.ended.is_none()) {
        Some(block) => screen.with_sheet(|sheet| whole(block, sheet, page.area.width)),
        None => vec!["It is not found any more.".to_owned()],
    };
    draw_lines(page, screen, &lines, room.saturating_sub(list + 1));
}

/// Draws the keys.
pub(super) fn help(page: &mut Page<'_>, screen: &Screen<'_>, room: usize) {
    let width = page.area.width;
    let wrap = |line: &str| -> Vec<String> {
        let (key, text) = line.split_at(line.len().min(KEYS));
        let lines = crate::render::wrap::lines(text, Some(width), KEYS).into_iter();
        let mut front = key.to_owned();
        lines
            .map(|text| std::mem::replace(&mut front, " ".repeat(KEYS)) + &text)
            .collect()
    };
    let lines: Vec<String> = HELP.lines().flat_map(wrap).collect();
    draw_lines(page, screen, &lines, room);
}

/// How wide the first column is.
const KEYS: usize = 15;

const HELP: &str = "\
Keys
  Up Down j k  choose a row, which stays chosen when the order changes
  PgUp PgDn Home End   the same, in larger steps
  Enter Esc    all about the row; back
  /            filter as in sockdoc sockets: :443, nginx, estab, 10.0.0.0/8
  s S          sort by the next column; reverse the order
  g            group: sockets, processes, units, containers, peers, ports
  t u x        show or hide TCP, UDP and Unix sockets
  l !          only listeners; only sockets with a problem
  f            findings: what is wrong now, and what was in the last 30 s
  p or space   pause, and go on
  + -          look less often; look more often
  w            save the sample, for sockets --from FILE and top --replay FILE
  ? q          this help; quit
Rows
  +            opened in the last 3 s
  -            closed in the last 3 s
  !            something is wrong with it: see below the rows, or press Enter
  IN/s OUT/s   payload, bytes a second; UDP has no counters
  IN OUT       payload since it was connected; of a group since the start
First line
  in, out      what the interfaces carried, headers included
  retr         segments sent again, of all segments sent";
