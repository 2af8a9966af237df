//! The findings of the sockets, or that there are none.

use std::io::{self, Write};

use super::{Sheet, cells};
use crate::diagnose::Case;
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
    if !blocks.is_empty() {
        return Ok(());
    }
    match looked_at.len() {
        0 => writeln!(out, "no sockets to look at"),
        number => {
            let plural = if number == 1 { "" } else { "s" };
            writeln!(
                out,
                "no problems found in {} socket{plural} (some checks need a socket to be idle for 10 to \
                 60 s)",
                thousands(number as u64)
            )
        }
    }
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
    fn that_nothing_is_wrong_is_said() {
        let fixture = Fixture::new();
        for (looked_at, text) in [
            (1_812, "no problems found in 1,812 sockets ("),
            (1, "no problems found in 1 socket ("),
            (0, "no sockets to look at\n"),
        ] {
            assert!(written(&fixture, &[], looked_at).starts_with(text));
        }
    }
}
