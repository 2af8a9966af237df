//! The processes at the two ends of a packet: after its line, and in its JSON object.

use super::buffer::Buffer;
use super::json::string;
use crate::capfile::{End, Ends};
use crate::render::escape;

/// `  SENDER → RECEIVER`, of which only those that are on this host; `?`: not found.
#[cold]
pub(super) fn write(out: &mut Buffer, ends: &Ends) {
    out.text("  ");
    match (&ends.sender, &ends.receiver) {
        (one, End::Unsought) | (End::Unsought, one) => end(out, one),
        (sender, receiver) => {
            end(out, sender);
            out.text(" → ");
            end(out, receiver);
        }
    }
}

fn end(out: &mut Buffer, end: &End) {
    match end {
        End::Process { pid, name, .. } => {
            out.text(&escape::text(&name.text()));
            out.byte(b'(');
            out.number(u64::from(*pid));
            out.byte(b')');
        }
        End::Unknown(_) => out.byte(b'?'),
        End::Unsought => {}
    }
}

/// `,"sender_process":{...},"receiver_process":{...}`, with how each was found, or why not.
#[cold]
pub(super) fn write_json(out: &mut Buffer, ends: &Ends) {
    for (key, end) in [
        ("sender_process", &ends.sender),
        ("receiver_process", &ends.receiver),
    ] {
        out.text(",\"");
        out.text(key);
        out.text("\":");
        match end {
            End::Unsought => out.text("null"),
            End::Process { pid, name, source } => {
                out.text("{\"pid\":");
                out.number(u64::from(*pid));
                out.text(",\"name\":");
                string(out, &name.text());
                if std::str::from_utf8(name.bytes()).is_err() {
                    out.text(",\"name_hex\":");
                    string(out, &crate::render::json::hex(name.bytes()));
                }
                out.text(",\"source\":");
                string(out, source.word());
                out.byte(b'}');
            }
            End::Unknown(reason) => {
                out.text("{\"pid\":null,\"name\":null,\"source\":null,\"reason\":");
                string(out, reason.word());
                out.byte(b'}');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capfile::{Name, Reason, Source};

    fn process(name: &[u8], source: Source) -> End {
        End::Process {
            pid: 7,
            name: Name::new(name),
            source,
        }
    }

    fn written(write: fn(&mut Buffer, &Ends), sender: End, receiver: End) -> String {
        let mut out = Buffer::default();
        write(&mut out, &Ends { sender, receiver });
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn both_ends_are_named_if_both_are_here_and_a_hostile_name_is_escaped() {
        let [a, b] = [b"a", b"b"].map(|name| process(name, Source::Lookup));
        let unknown = End::Unknown(Reason::Closed);
        assert_eq!(written(write, a, b), "  a(7) → b(7)");
        assert_eq!(written(write, a, End::Unsought), "  a(7)");
        assert_eq!(written(write, End::Unsought, a), "  a(7)");
        assert_eq!(written(write, unknown, a), "  ? → a(7)");
        let hostile = written(write, process(b"\x1b[2J\n", Source::Bpf), End::Unsought);
        assert!(!hostile.contains(['\x1b', '\n']), "{hostile}");
    }

    #[test]
    fn the_object_says_how_an_end_was_found_or_why_not() {
        let json = |sender, receiver| -> serde_json::Value {
            let text = written(write_json, sender, receiver);
            serde_json::from_str(&format!("{{\"a\":0{text}}}")).unwrap()
        };
        let both = json(
            process(b"\xffa\x1b", Source::Bpf),
            End::Unknown(Reason::Busy),
        );
        let sender = &both["sender_process"];
        assert_eq!(sender["pid"], 7);
        assert_eq!(sender["name"], "\u{fffd}a\u{1b}");
        assert_eq!(sender["name_hex"], "ff611b");
        assert_eq!(sender["source"], "bpf");
        let receiver = &both["receiver_process"];
        assert!(receiver["source"].is_null() && receiver["pid"].is_null());
        assert_eq!(receiver["reason"], "busy");
        assert!(json(End::Unsought, End::Unsought)["sender_process"].is_null());
    }
}
