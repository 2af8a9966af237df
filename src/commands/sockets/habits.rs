//! Flags of ss, netstat and lsof that are not flags here, and what does the same.

/// Flags, and the answer to those who type them.
const ANSWERS: [(&str, &str); 11] = [
    ("-K", "sockdoc closes no sockets; ss -K does"),
    ("--kill", "sockdoc closes no sockets; ss -K does"),
    (
        "-c",
        "to measure over time: --seconds 2; to list again and again: watch -n1 sockdoc sockets",
    ),
    ("-E", "ss -E prints sockets as they are closed"),
    ("-N", "the network namespace is --netns NAME"),
    ("-f", "the family is -4, -6, -x or --proto LIST"),
    ("-M", "MPTCP sockets are --proto mptcp"),
    ("-S", "SCTP sockets are --proto sctp"),
    ("-0", "packet sockets are --proto packet"),
    ("-b", "socket filters are not shown; ss -0b shows them"),
    ("-Z", "security contexts are not shown; ss -Z shows them"),
];

/// What to type instead of a flag that there is not.
pub fn answer(flag: &str) -> Option<&'static str> {
    let found = ANSWERS.iter().find(|(name, _)| *name == flag);
    found.map(|(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn only_flags_that_there_are_not_are_answered() {
        let command = crate::commands::sockets::Args::augment_args(Command::new("sockets"));
        for arg in command.get_arguments() {
            let short = arg.get_short().map(|letter| format!("-{letter}"));
            let long = arg.get_long().map(|name| format!("--{name}"));
            for flag in short.into_iter().chain(long) {
                assert_eq!(answer(&flag), None, "{flag}");
            }
        }
        assert!(answer("-K").is_some());
    }
}
