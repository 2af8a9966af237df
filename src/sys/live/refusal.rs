//! Why there is no capture, in words.

use std::io;

use crate::error::{Error, Kind};

/// The file of this program, to give it a capability.
pub fn program() -> String {
    std::env::current_exe().map_or_else(|_| "sockdoc".to_owned(), |path| path.display().to_string())
}

/// Why an interface is not captured on, and what to do.
pub(super) fn failure(name: &str, error: &io::Error) -> Error {
    const CAPTURE: &str = "capture";
    let failed = Error::os(Kind::CannotRun, CAPTURE, error).on(name);
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let program = program();
            Error::new(
                Kind::CannotRun,
                CAPTURE,
                "a packet socket needs CAP_NET_RAW",
            )
            .on(name)
            .next(format!(
                "as root, or: sudo setcap cap_net_raw+ep {program}; without it: sockdoc sockets, top, \
                 and decode FILE"
            ))
        }
        Some(libc::ENODEV | libc::ENXIO) => {
            let next = match name {
                "lo0" => "the loopback interface of Linux is lo: sockdoc capture -i lo",
                _ => "list the interfaces: sockdoc capture -D",
            };
            Error::new(Kind::CannotRun, CAPTURE, "there is no such interface")
                .on(name)
                .next(next)
        }
        Some(libc::ENOMEM | libc::ENOBUFS) => failed.next("use a smaller buffer: -B 4M"),
        None if error.kind() == io::ErrorKind::Unsupported => failed.next(
            "capture with another program and decode its file: tcpdump -w FILE, then sockdoc decode FILE",
        ),
        _ => failed,
    }
}

/// Why nothing more is received.
pub(super) fn receive_failure(error: &io::Error) -> Error {
    Error::os(Kind::CannotRun, "receive frames", error)
}
