//! The findings of the sockets, or that there are none.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Sheet, cells};
use crate::diagnose::Case;
use crate::diagnose::rules::socket::too_young;
use crate::host::SocketAt;
use crate::render::finding::{self, Layout};
use crate::render::thousands;

/// Writes a paragraph for each finding, first causes first; those that say the same of many sockets are
/// one, unless `layout` is verbose. `looked_at`: the sockets that were examined, where the sheet holds only
/// those that have findings. Without a finding it says so, since an empty output would prove nothing.
pub fn write(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    looked_at: &[SocketAt],
    layout: Layout,
) -> io::Result<()> {
    let case = Case::new(sheet.index);
    let blocks = sheet.findings.blocks(&case, sheet.shown, layout.verbose);
    for block in &blocks {
        finding::write(out, block, sheet, layout)?;
        writeln!(out)?;
    }
    if layout.verbose {
        write_past(out, sheet, looked_at)?;
    }
    match looked_at.len() {
        _ if !blocks.is_empty() => {}
        0 => writeln!(out, "no sockets to look at")?,
        number => {
            let plural = if number == 1 { "" } else { "s" };
            let number = thousands(number as u64);
            writeln!(out, "no problems found in {number} socket{plural}")?;
        }
    }
    write_young(out, sheet, &case, looked_at)
}

/// What waits, but not for long enough to be a finding.
fn write_young(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    case: &Case<'_>,
    looked_at: &[SocketAt],
) -> io::Result<()> {
    let mut young: BTreeMap<&str, u64> = BTreeMap::new();
    let silent = |at: &&SocketAt| sheet.findings.of(**at).next().is_none();
    for what in looked_at
        .iter()
        .filter(silent)
        .filter_map(|at| too_young(case, *at))
    {
        *young.entry(what).or_default() += 1;
    }
    if young.is_empty() {
        return Ok(());
    }
    let young = young
        .iter()
        .map(|(what, count)| format!("{} {what}", thousands(*count)));
    let young: Vec<String> = young.collect();
    writeln!(out, "too young to judge: {}", young.join(", "))
}

/// Drops that did not go on: a fact, and no finding.
fn write_past(
    out: &mut (impl Write + ?Sized),
    sheet: &Sheet<'_>,
    looked_at: &[SocketAt],
) -> io::Result<()> {
    for at in looked_at {
        let row = sheet.row(*at);
        let drops = row.memory().and_then(|memory| memory.drops);
        if let Some(count @ 1..) = drops
            && sheet.findings.of(*at).next().is_none()
        {
            let (mut local, mut process) = (String::new(), String::new());
            cells::local(&mut local, &row, sheet.names);
            cells::process(&mut process, &row, sheet, false);
            writeln!(
                out,
                "dropped in the past: {} {local} {process}: {}",
                row.proto.name(),
                thousands(count.into())
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use crate::render::Style;
    use crate::sockets::Socket;

    fn written(fixture: &Fixture, sockets: &[&Socket], looked_at: u32) -> String {
        let looked_at: Vec<SocketAt> = (0..looked_at).map(SocketAt).collect();
        let mut out = Vec::new();
        let layout = Layout {
            style: Style::new(false),
            width: None,
            verbose: false,
        };
        write(&mut out, &fixture.sheet(sockets), &looked_at, layout).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_next_step_is_a_command_with_the_process_or_the_address() {
        let fixture = Fixture::new();
        let text = written(&fixture, &fixture.all(), 8);
        assert!(
            text.contains("\n  next       strace -f -p 812 -p 813\n"),
            "{text}"
        );
        let ping = "\n  next       sockdoc ping 2001:db8:1111:2222:3333:4444:5555:6666\n";
        assert!(text.contains(ping), "{text}");
        for word in ["PID", "ADDRESS", "PORT", "column"] {
            assert!(!text.contains(word), "{text}");
        }
    }

    #[test]
    fn what_is_too_young_to_judge_is_counted() {
        use crate::diagnose::testing::{figures, idle, socket};
        use crate::sockets::{State, TcpFigures};
        let age = |ms| TcpFigures {
            last_ack_recv_ms: Some(ms),
            last_data_recv_ms: Some(ms),
            ..idle()
        };
        let sample = crate::diagnose::testing::sample(vec![
            figures(socket(State::CloseWait, 0, 0), age(9_000)),
            figures(socket(State::CloseWait, 1, 0), age(9_000)),
            figures(socket(State::Established, 5, 0), age(9_000)),
            // Old enough: what a server says unasked may stay unread.
            figures(socket(State::Established, 5, 0), age(90_000)),
            figures(socket(State::Established, 0, 0), age(9_000)),
        ]);
        let index = crate::host::Index::new(&sample);
        let case = Case::new(&index);
        let findings = crate::diagnose::diagnose(&case);
        let looked_at: Vec<SocketAt> = sample.places().collect();
        let names = super::super::Names::default();
        let sheet = Sheet {
            index: &index,
            delta: None,
            findings: &findings,
            shown: &[],
            names: &names,
        };
        let mut out = Vec::new();
        let layout = Layout {
            style: Style::new(false),
            width: None,
            verbose: false,
        };
        write(&mut out, &sheet, &looked_at, layout).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "no problems found in 5 sockets\ntoo young to judge: 2 in CLOSE-WAIT, 1 with unread data\n"
        );
    }

    #[test]
    fn that_there_was_nothing_to_look_at_is_said() {
        let fixture = Fixture::new();
        assert_eq!(written(&fixture, &[], 0), "no sockets to look at\n");
    }
}
