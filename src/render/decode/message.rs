//! Application messages, a line each.

use super::buffer::Buffer;
use super::clock::TimeColumn;
use super::view::EventWriter;
use super::words::MessageWriter;
use crate::capfile::{Interface, Timestamp};
use crate::dissect::Totals;
use crate::stream::{Endpoint, Event, StreamRef};

/// Writes a line for each message.
#[derive(Debug)]
pub struct Messages {
    time: TimeColumn,
    messages: MessageWriter,
}

impl Messages {
    /// With times of this format.
    pub fn new(time: TimeColumn) -> Messages {
        Messages {
            time,
            messages: MessageWriter::default(),
        }
    }
}

impl EventWriter for Messages {
    fn interface(&mut self, _number: u32, interface: &Interface) {
        self.time.interface(interface);
    }

    fn start(&mut self, time: Timestamp) {
        self.time.start(time);
    }

    /// `FRAME TIME stream N SOURCE → DESTINATION WORDS`
    fn stream(&mut self, out: &mut Buffer, event: &Event<'_>) {
        let Event::Message(message) = event else {
            return;
        };
        out.right(message.frame, 5);
        out.byte(b' ');
        self.time.write(out, message.time);
        out.text(" stream ");
        ends(out, &message.stream);
        out.byte(b' ');
        self.messages.write(out, message);
        out.byte(b'\n');
    }

    fn end(&mut self, out: &mut Buffer, totals: &Totals, _flush: &mut dyn FnMut(&mut Buffer)) {
        if totals.messages == 0 {
            out.text(
                "no application messages: this looks for the protocol of the tutorial on the ports of \
                 --app-port\n\
                 next: --app-any searches every stream; for other protocols use --streams, --expert or \
                 --follow N\n",
            );
        }
    }
}

/// `NUMBER SOURCE:PORT → DESTINATION:PORT`
fn ends(out: &mut Buffer, stream: &StreamRef) {
    out.number(u64::from(stream.number));
    out.byte(b' ');
    end(out, stream.source);
    out.text(" → ");
    end(out, stream.destination);
}

fn end(out: &mut Buffer, (ip, port): Endpoint) {
    if ip.is_ipv6() {
        out.byte(b'[');
        out.address(ip);
        out.byte(b']');
    } else {
        out.address(ip);
    }
    out.byte(b':');
    out.number(u64::from(port));
}
