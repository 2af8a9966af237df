//! `-p` without a port. To netstat and ss it is a flag (show processes), and people type `-tulpn`,
//! `-antp` and `-ltnp` without looking; here it takes a port. clap cannot tell the `n` of `-tulpn`
//! from a port, or a word after `-antp` from its value, so it is decided before clap reads the words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use clap::{Arg, Command};

/// The name of the command whose `-p` it is.
const NAME: &str = "sockets";

/// Takes a `-p` that has no port out of the words of a command line: one with letters of other flags
/// after it (`-tulpn`), or at the end of its word with no number next (`-antp`, `-p nginx`). `root` is
/// the parser; words for another command are unchanged.
pub fn taken_out(words: Vec<OsString>, root: impl FnOnce() -> Command) -> Vec<OsString> {
    // The parser takes as long to build as a whole listing of a few sockets.
    let mut after = words.iter().skip_while(|word| *word != NAME).skip(1);
    if !after.any(|word| may_be_flags_with_p(word)) {
        return words;
    }
    let mut root = root();
    root.build();
    let mut words = words.into_iter().peekable();
    // The name of the program.
    let mut out: Vec<OsString> = words.next().into_iter().collect();
    while let Some(word) = words.next() {
        let is_command = !word.as_bytes().starts_with(b"-");
        let has_value = next_is_value(&root, &word);
        let is_ours = is_command && word == NAME;
        out.push(word);
        if has_value {
            out.extend(words.next());
        }
        if is_ours {
            break;
        }
        if is_command {
            out.extend(words);
            return out;
        }
    }
    let Some(command) = root.find_subcommand(NAME) else {
        out.extend(words);
        return out;
    };
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word);
            break;
        }
        let next = words.peek().map(OsString::as_os_str);
        let Some(flags) = without_p(command, &word, next) else {
            let has_value = next_is_value(command, &word);
            out.push(word);
            if has_value {
                out.extend(words.next());
            }
            continue;
        };
        if flags != "-" {
            out.push(flags);
        }
    }
    out.extend(words);
    out
}

/// Whether a word looks like a cluster of short flags with a `p` among them.
fn may_be_flags_with_p(word: &OsStr) -> bool {
    let bytes = word.as_bytes();
    bytes.starts_with(b"-") && !bytes.starts_with(b"--") && bytes.contains(&b'p')
}

/// A cluster of short flags without the `p` in it; `None` if it has none, or one with a port.
fn without_p(command: &Command, word: &OsStr, next: Option<&OsStr>) -> Option<OsString> {
    let letters = word.as_bytes().strip_prefix(b"-")?;
    let at = letters.iter().position(|&letter| letter == b'p')?;
    let (front, rest) = (&letters[..at], &letters[at + 1..]);
    let is_port = rest.is_empty() && next.is_some_and(|next| is_port(next.as_bytes()));
    let are_flags = |letters: &[u8]| letters.iter().all(|&letter| is_flag(command, letter));
    // A second p is one more of them.
    let rest: Vec<u8> = rest.iter().copied().filter(|&it| it != b'p').collect();
    if is_port || !are_flags(front) || !are_flags(&rest) {
        return None;
    }
    Some(OsString::from_vec([b"-", front, &rest].concat()))
}

/// `80`, `:80`, `8000-8010`, `80,443`.
fn is_port(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b":").unwrap_or(word);
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b',' | b':'))
}

/// Whether this letter is a flag without a value.
fn is_flag(command: &Command, letter: u8) -> bool {
    let is_it = |arg: &&Arg| arg.get_short() == Some(char::from(letter));
    let found = command.get_arguments().find(is_it);
    found.is_some_and(|arg| !arg.get_action().takes_values())
}

/// Whether the next word is the value of this one: `--sort -pid`.
fn next_is_value(command: &Command, word: &OsStr) -> bool {
    let Some(name) = word.to_str().and_then(|word| word.strip_prefix("--")) else {
        return false;
    };
    let is_it = |arg: &&Arg| arg.get_long() == Some(name);
    let found = command.get_arguments().find(is_it);
    found.is_some_and(|arg| arg.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, Args as _};

    use super::*;

    fn root() -> Command {
        let global = |name| Arg::new(name).long(name).global(true);
        let ours = crate::commands::sockets::Args::augment_args(Command::new(NAME));
        Command::new("sockdoc")
            .arg(global("color"))
            .arg(global("json").num_args(0).action(ArgAction::SetTrue))
            .subcommand(ours)
            .subcommand(Command::new("explain").arg(Arg::new("what").num_args(0..)))
    }

    fn taken(line: &str) -> Vec<OsString> {
        taken_out(line.split(' ').map(OsString::from).collect(), root)
    }

    fn read(line: &str) -> String {
        let out = taken(line);
        let out: Vec<_> = out.iter().map(|word| word.to_string_lossy()).collect();
        out.join(" ")
    }

    #[test]
    fn a_p_of_netstat_and_ss_is_taken_out() {
        for (line, plain) in [
            ("-tulpn", "-tuln"),
            ("-antp", "-ant"),
            ("-ltnp nginx", "-ltn nginx"),
            ("-p", ""),
            ("-pn", "-n"),
            ("-p -l", "-l"),
            ("-ppl", "-l"),
            ("-t -p nginx", "-t nginx"),
            ("-tulpn 80", "-tuln 80"),
            ("-p --sort -pid", "--sort -pid"),
            ("--color never -p", "--color never"),
            ("-p -- -p", "-- -p"),
            ("-tulpen", "-tulen"),
            ("-peanut", "-eanut"),
            ("-lntupe", "-lntue"),
        ] {
            let plain = format!("x sockets {plain}");
            assert_eq!(read(&format!("x sockets {line}")), plain.trim_end());
        }
        assert_eq!(
            read("x --color never sockets -tulpn"),
            "x --color never sockets -tuln"
        );
    }

    #[test]
    fn without_a_p_the_parser_is_not_built() {
        let words = ["x", "sockets", "-t", "--port", "80"].map(OsString::from);
        let out = taken_out(words.to_vec(), || unreachable!("nothing to take out"));
        assert_eq!(out, words);
    }

    #[test]
    fn a_port_and_what_is_none_of_ours_stay() {
        for line in [
            "x sockets -p 80",
            "x sockets -p :80",
            "x sockets -p 8000-8010",
            "x sockets -lp 7301,7302",
            "x sockets -antp 80",
            "x sockets -p80",
            "x sockets -tp80",
            "x sockets -p=80",
            "x sockets --port 80",
            "x sockets --port -p",
            "x sockets --sort -proto",
            "x sockets -pq",
            "x sockets -qp",
            "x sockets -- -tulpn",
            "x sockets",
            "x explain sockets -tulpn",
            "x --color sockets explain -tulpn",
            "x -tulpn",
        ] {
            assert_eq!(read(line), line);
        }
    }

    #[test]
    fn the_parser_understands_both() {
        for line in ["-tulpn", "-antp", "-ltnp", "-p 80", "-p80", "--port 80"] {
            let words = taken(&format!("sockdoc sockets {line}"));
            let found = root().try_get_matches_from(words).expect("a command line");
            let (_, found) = found.subcommand().expect("a command");
            let ports = found.get_many::<crate::commands::sockets::choice::Ports>("port");
            let ports = ports.map_or(0, Iterator::count);
            let is_port = line.contains("80");
            assert_eq!(ports, usize::from(is_port), "{line}");
            assert_eq!(found.get_flag("tcp"), !is_port, "{line}");
            assert_eq!(found.get_flag("numeric"), !is_port, "{line}");
        }
    }
}
