//! What an echo client says: the words of the command line, a file, the lines of standard input.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::Args;
use crate::commands::endpoint::usage;
use crate::error::{Error, Kind, Result};
use crate::framing::{Framing, escapes};
use crate::sys::files;

/// One message after the other, as they come.
pub(super) type Messages = Box<dyn Iterator<Item = Result<Vec<u8>>>>;

/// Takes the last word `-` off the words that say where the server is: it is standard input.
pub(super) fn without_dash(args: &Args) -> Result<(&[String], bool)> {
    let [words @ .., dash] = &args.endpoint[..] else {
        return Ok((&args.endpoint, false));
    };
    if dash != "-" {
        return Ok((&args.endpoint, false));
    }
    let rival = match (&args.message[..], &args.file) {
        ([], None) => return Ok((words, true)),
        ([], Some(_)) => "--file",
        _ => "--message",
    };
    Err(usage(format!(
        "{rival} says what to send, and so does the last word - (standard input)"
    ))
    .next(format!("leave one of them out: {rival} or -")))
}

/// The messages of the command line, of a file, or of standard input; where nothing is named, these.
pub(super) fn gather(args: &Args, file: Option<&Path>, default: &[&str]) -> Result<Messages> {
    let raw = args.frame == Framing::Raw && !args.udp;
    let Some(path) = file else {
        let messages = words(args, default)?;
        if raw && messages.iter().any(Vec::is_empty) {
            return Err(empty());
        }
        return Ok(Box::new(messages.into_iter().map(Ok)));
    };
    if path.as_os_str() == "-" && !raw {
        let lines = BufReader::new(files::open(path)?).split(b'\n').map(|line| {
            line.map_err(|error| Error::os(Kind::CannotRun, "read standard input", &error))
        });
        return Ok(Box::new(lines));
    }
    if args.udp && path.as_os_str() != "-" {
        return Err(usage(
            "a file is streamed, and a datagram has at most 65,507 bytes".to_owned(),
        )
        .next("each line of standard input is a datagram: --file - --udp < FILE"));
    }
    let message = files::read(path, args.max_message as u64)?;
    if raw && message.is_empty() {
        return Err(empty().on(path.display().to_string()));
    }
    Ok(Box::new(std::iter::once(Ok(message))))
}

fn words(args: &Args, default: &[&str]) -> Result<Vec<Vec<u8>>> {
    if args.message.is_empty() {
        return Ok(default
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect());
    }
    args.message
        .iter()
        .map(|text| {
            escapes::unescape(text).map_err(|error| {
                Error::new(Kind::CannotRun, "read --message", error.to_string())
                    .next(r"the escapes are \r \n \t \0 \\ and \xNN")
            })
        })
        .collect()
}

/// There would be nothing to wait for, or forever.
fn empty() -> Error {
    let cause = "an empty message has no echo without framing";
    Error::new(Kind::CannotRun, "send the message", cause)
        .next("use --frame line or --frame len16; an empty datagram is one: --udp")
}

/// Frames a message, or says why this framing cannot carry it.
pub(super) fn framed(framing: &Framing, message: &[u8]) -> Result<Vec<u8>> {
    let mut wire = Vec::new();
    framing.encode(message, &mut wire).map_err(|error| {
        Error::new(Kind::CannotRun, "frame the message", error.to_string())
            .on(format!("with --frame {framing}"))
            .next("choose another framing: len32 carries every message, line none with a line end inside")
    })?;
    Ok(wire)
}
