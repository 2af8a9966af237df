//! What must hold for filters whatever is written and whatever a frame is.

use sockdoc::capfile::LinkType;
use sockdoc::filter::{Filter, Services, Subject};

/// The input: one line with the filter, a byte for the link type, a byte for the length on the wire,
/// and the frame.
pub(crate) fn filter(data: &[u8]) {
    let newline = data.iter().position(|&byte| byte == b'\n');
    let (text, rest) = match newline {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let services = Services::parse("http 80/tcp\ndomain 53/tcp\ndomain 53/udp\n");
    let filter = match Filter::parse(text, &services) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.at.clone()).is_some());
            assert!(error.position() <= text.chars().count() + 1);
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let [link, len, frame @ ..] = rest else {
        return;
    };
    let links = [1, 0, 9, 101, 108, 113, 228, 229, 276, 147, 50, 104];
    let link = LinkType(links[usize::from(*link) % links.len()]);
    let subject = Subject {
        stream: Some(u64::from(*len)),
        app: len % 2 == 0,
        packed: &[("vxlan", 7)],
        unpacked: frame,
        ..Subject::new(frame, u32::from(*len) * 8)
    };
    let Ok(program) = filter.compile(link) else {
        return;
    };
    let matches = program.matches(&subject);
    // The same in parentheses; never the same as its opposite.
    for (form, expected) in [
        ("(%)", matches),
        ("not (%)", false),
        ("(%) and 1 = 1", matches),
    ] {
        let around = Filter::parse(&form.replace('%', text), &services);
        let Some(around) = around.ok().and_then(|filter| filter.compile(link).ok()) else {
            // Nothing fits around an empty filter, or one that is as deep or long as it may be.
            continue;
        };
        let again = around.matches(&subject);
        assert!(
            again == expected || (form == "not (%)" && !matches),
            "{form}"
        );
    }
}
