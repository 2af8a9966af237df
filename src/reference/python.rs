//! The names under which Python knows an errno or a resolver code.
//!
//! From "Built-in Exceptions: OS exceptions" of the Python library reference, and `socket`'s own:
//! `gaierror`, `herror`, `timeout`.

use super::spelling::Spelling;

/// The exceptions and what each stands for.
pub static EXCEPTIONS: &[Spelling] = &[
    python("BlockingIOError", &["EAGAIN", "EALREADY", "EINPROGRESS"]),
    python("BrokenPipeError", &["EPIPE", "ESHUTDOWN"]),
    python("ChildProcessError", &["ECHILD"]),
    python("ConnectionAbortedError", &["ECONNABORTED"]),
    python("ConnectionRefusedError", &["ECONNREFUSED"]),
    python("ConnectionResetError", &["ECONNRESET"]),
    python("FileExistsError", &["EEXIST"]),
    python("FileNotFoundError", &["ENOENT"]),
    python("InterruptedError", &["EINTR"]),
    python("IsADirectoryError", &["EISDIR"]),
    python("NotADirectoryError", &["ENOTDIR"]),
    // ENOTCAPABLE belongs here too, but Linux has no such errno.
    python("PermissionError", &["EACCES", "EPERM"]),
    python("ProcessLookupError", &["ESRCH"]),
    python("TimeoutError", &["ETIMEDOUT", "READ_TIMEOUT"]),
    python("socket.timeout", &["ETIMEDOUT", "READ_TIMEOUT"]),
    // The base class of four.
    python(
        "ConnectionError",
        &["EPIPE", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET"],
    ),
    python("gaierror", GAIERROR),
    python("socket.gaierror", GAIERROR),
];

/// What `socket.gaierror` can carry: everything that `getaddrinfo(3)` returns.
const GAIERROR: &[&str] = &[
    "EAI_NONAME",
    "EAI_AGAIN",
    "EAI_FAIL",
    "EAI_NODATA",
    "EAI_ADDRFAMILY",
    "EAI_FAMILY",
    "EAI_SERVICE",
    "EAI_SOCKTYPE",
    "EAI_BADFLAGS",
    "EAI_MEMORY",
    "EAI_SYSTEM",
    "EAI_OVERFLOW",
];

const fn python(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Python", word, names)
}
