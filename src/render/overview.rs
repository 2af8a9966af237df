//! What `sockdoc` alone prints: examples of the commands in groups, each of which works as typed.

use std::io::{self, Write};

use super::{Paint, Style};

/// A title, and examples with their purposes.
pub type Group = (&'static str, &'static [(&'static str, &'static str)]);

/// The groups, in the order in which they are printed.
pub const GROUPS: &[Group] = &[
    (
        "Find out what is wrong",
        &[
            (
                "sockdoc diagnose",
                "what is wrong with this host's connections",
            ),
            ("sockdoc watch", "report problems when they begin and end"),
            (
                "sockdoc sockets --problems",
                "connections with a problem, and why",
            ),
            ("sockdoc sockets :65432", "which process uses a port"),
            (
                "sockdoc explain ECONNREFUSED",
                "what an error means, and what to do",
            ),
            (
                "sockdoc check localhost:65432",
                "at which layer a connection fails, and why",
            ),
            (
                "sockdoc ping -c 3 localhost",
                "round-trip times and lost packets",
            ),
            (
                "sockdoc resolve localhost 65432",
                "which addresses a name has, and why",
            ),
            (
                "sockdoc fill-buffers",
                "what a server that stops reading causes",
            ),
        ],
    ),
    (
        "Look closer",
        &[
            ("sockdoc sockets", "sockets with their processes"),
            ("sockdoc top", "what sockets send and receive, live"),
            ("sockdoc capture -i lo", "packets as they come"),
            ("sockdoc drops", "packets that the kernel drops, and why"),
            ("sockdoc decode capture.pcap", "a capture, frame by frame"),
            (
                "sockdoc decode capture.pcap app",
                "the application messages in it",
            ),
            (
                "sockdoc ping -c 1 127.0.0.0/28",
                "which hosts of a block reply",
            ),
        ],
    ),
    (
        "Servers and clients to test with",
        &[
            (
                "sockdoc app-server",
                "serve the tutorial's application protocol",
            ),
            (
                "sockdoc app-client search morpheus",
                "send a request to such a server",
            ),
            (
                "sockdoc echo-server",
                "send back received data, in any framing",
            ),
            ("sockdoc echo-client", "send to an echo server and compare"),
        ],
    ),
    (
        "Set up",
        &[(
            "sockdoc completions bash",
            "shell completion for commands and flags",
        )],
    ),
];

/// Writes the overview, readable at 80 columns.
pub fn write(out: &mut impl Write, style: Style) -> io::Result<()> {
    writeln!(
        out,
        "{}: diagnose broken network connections on Linux",
        style.paint(Paint::Bold, "sockdoc")
    )?;
    for (title, examples) in GROUPS {
        writeln!(out, "\n{}", style.paint(Paint::Bold, title))?;
        for (example, purpose) in *examples {
            writeln!(out, "  {example:<35} {purpose}")?;
        }
    }
    writeln!(
        out,
        "\nFlags and details of a command: sockdoc COMMAND --help"
    )
}
