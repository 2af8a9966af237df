//! Bars over time, and the parts of a time.

use super::Page;
use crate::render::decode::intervals::{Counts, Timeline};
use crate::render::decode::time;
use crate::render::thousands;
use crate::stream::Summary;

/// The size of a chart and of what is drawn in it.
const WIDTH: usize = 720;
const HEIGHT: usize = 70;
const BARS: usize = 180;

/// A chart each of packets, bytes and findings over the time of a capture.
pub(super) fn timeline(page: &mut Page, timeline: &Timeline) {
    let (first, last) = timeline.span();
    for (index, (name, of)) in Counts::PARTS.into_iter().enumerate() {
        let columns = timeline.columns(BARS, of, u64::saturating_add);
        let most = columns.iter().max().copied().unwrap_or(0);
        if most == 0 {
            continue;
        }
        let class = ["f2", "f4", "f3"][index];
        let total = HEIGHT + 38;
        page.markup(format_args!(
            "<svg viewBox=\"0 0 {WIDTH} {total}\" role=\"img\" aria-label=\"{name} over time\">\n"
        ));
        page.markup(format_args!(
            "<text class=\"bold\" x=\"0\" y=\"12\">{name}</text>\
             <text class=\"dim end\" x=\"{WIDTH}\" y=\"12\">at most {} in {}</text>\n",
            thousands(most),
            time((last.saturating_sub(first)) / i64::try_from(columns.len().max(1)).unwrap_or(1))
        ));
        bars(page, &columns, most, class, 18);
        let bottom = 18 + HEIGHT;
        page.markup(format_args!(
            "<line class=\"axis\" x1=\"0\" y1=\"{bottom}\" x2=\"{WIDTH}\" y2=\"{bottom}\"/>\
             <text class=\"dim\" x=\"0\" y=\"{label}\">{}</text>\
             <text class=\"dim end\" x=\"{WIDTH}\" y=\"{label}\">{}</text>\n</svg>\n",
            time(first),
            time(last),
            label = bottom + 14,
        ));
    }
}

fn bars(page: &mut Page, columns: &[u64], most: u64, class: &str, top: usize) {
    // Hundredths, so that many bars still have a width.
    let width = 100 * WIDTH / columns.len().max(1);
    let gap = if width > 300 { 100 } else { width / 8 };
    for (index, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = u128::from(*count) * HEIGHT as u128 * 100 / u128::from(most);
        let height = usize::try_from(height).unwrap_or(0).max(100);
        let (x, y) = (index * width, 100 * (top + HEIGHT) - height);
        page.markup(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            Hundredths(x),
            Hundredths(y),
            Hundredths(width - gap),
            Hundredths(height)
        ));
    }
    page.markup(format_args!("\n"));
}

/// Some bars beside each other, each with its name below: of what has no order in time.
pub(super) fn row(page: &mut Page, title: &str, values: &[(String, u64, String)]) {
    let most = values.iter().map(|(_, value, _)| *value).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let height = 22 * values.len() + 22;
    page.markup(format_args!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<text class=\"bold\" x=\"0\" y=\"12\">"
    ));
    page.text(title);
    page.markup(format_args!("</text>\n"));
    for (index, (name, value, words)) in values.iter().enumerate() {
        let y = 22 + 22 * index;
        // The bars have the middle; names and numbers the ends.
        let width = (u128::from(*value) * 190 / u128::from(most)).max(1);
        page.markup(format_args!("<text x=\"0\" y=\"{}\">", y + 13));
        let name: String = name.chars().take(46).collect();
        page.text(&name);
        page.markup(format_args!(
            "</text><rect class=\"f2\" x=\"310\" y=\"{}\" width=\"{width}\" height=\"14\"/>\
             <text class=\"end\" x=\"{WIDTH}\" y=\"{}\">",
            y + 2,
            y + 13
        ));
        page.text(words);
        page.markup(format_args!("</text>\n"));
    }
    page.markup(format_args!("</svg>\n"));
}

/// Where the time of a stream went: one bar in parts, and what each part is.
pub(super) fn account(page: &mut Page, summary: &Summary) {
    let parts = summary.account.parts();
    let all: i64 = parts.iter().map(|(_, nanos)| (*nanos).max(0)).sum();
    if all <= 0 {
        return;
    }
    let shown: Vec<_> = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| part.1 > 0)
        .collect();
    let height = 34 + 16 * shown.len().div_ceil(3);
    page.markup(format_args!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"where the time went\">\n"
    ));
    let mut x = 0;
    for (index, (_, nanos)) in &shown {
        let width = i128::from(*nanos) * 100 * WIDTH as i128 / i128::from(all);
        let width = usize::try_from(width).unwrap_or(0);
        page.markup(format_args!(
            "<rect class=\"f{}\" x=\"{}\" y=\"4\" width=\"{}\" height=\"20\"/>",
            index + 1,
            Hundredths(x),
            Hundredths(width)
        ));
        x += width;
    }
    page.markup(format_args!("\n"));
    for (place, (index, (name, nanos))) in shown.iter().enumerate() {
        let (x, y) = (place % 3 * 240, 42 + place / 3 * 16);
        let percent = (i128::from(*nanos) * 100 + i128::from(all) / 2) / i128::from(all);
        page.markup(format_args!(
            "<rect class=\"f{}\" x=\"{x}\" y=\"{}\" width=\"9\" height=\"9\"/>\
             <text x=\"{}\" y=\"{y}\">{name} {} ({percent} %)</text>\n",
            index + 1,
            y - 9,
            x + 14,
            time(*nanos)
        ));
    }
    page.markup(format_args!("</svg>\n"));
}

/// A number of hundredths as a decimal.
struct Hundredths(usize);

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
