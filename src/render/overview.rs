//! What `sockdoc` alone prints: the commands in groups, each with an example that works as typed.

use std::io::{self, Write};

use super::{Paint, Style};

/// A group of commands: what it is for, and name, example and purpose of each.
type Group = (
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
);

const GROUPS: &[Group] = &[
    (
        "Talk",
        &[
            (
                "app-server",
                "sockdoc app-server",
                "serve the tutorial's application protocol",
            ),
            (
                "app-client",
                "sockdoc app-client search morpheus",
                "ask such a server",
            ),
            (
                "echo-server",
                "sockdoc echo-server",
                "send back what comes, in any framing",
            ),
            (
                "echo-client",
                "sockdoc echo-client",
                "say something to it and compare",
            ),
        ],
    ),
    (
        "Look",
        &[
            (
                "sockets",
                "sockdoc sockets",
                "who talks to whom, and what is wrong",
            ),
            (
                "sockets",
                "sockdoc sockets :65432",
                "who has to do with a port",
            ),
            (
                "decode",
                "sockdoc decode capture.pcap",
                "what was on the wire, frame by frame",
            ),
            (
                "decode",
                "sockdoc decode capture.pcap app",
                "the application messages in it",
            ),
        ],
    ),
    (
        "Probe",
        &[
            (
                "ping",
                "sockdoc ping -c 3 localhost",
                "round-trip times, and where losses went",
            ),
            (
                "ping",
                "sockdoc ping -c 1 127.0.0.0/28",
                "who answers in a block",
            ),
            (
                "fill-buffers",
                "sockdoc fill-buffers",
                "fill a connection until send() fails",
            ),
        ],
    ),
    (
        "Understand",
        &[(
            "explain",
            "sockdoc explain ECONNREFUSED",
            "an errno, ICMP code or TCP state in words",
        )],
    ),
    (
        "Set up",
        &[(
            "completions",
            "sockdoc completions bash",
            "complete commands and flags in a shell",
        )],
    ),
];

/// Writes the overview, readable at 80 columns.
pub fn write(out: &mut impl Write, style: Style) -> io::Result<()> {
    writeln!(
        out,
        "{}: says in words why a connection does not work",
        style.paint(Paint::Bold, "sockdoc")
    )?;
    for (title, commands) in GROUPS {
        writeln!(out, "\n{}", style.paint(Paint::Bold, title))?;
        for (_, example, purpose) in *commands {
            writeln!(out, "  {example:<35} {purpose}")?;
        }
    }
    writeln!(
        out,
        "\nEvery command takes --json and -v, and explains itself: sockdoc COMMAND --help"
    )
}
