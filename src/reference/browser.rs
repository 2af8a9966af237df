//! What browsers and curl call an errno or a resolver code.
//!
//! Chromium's from `net/base/net_error_list.h` and the mapping of its socket code
//! (`net_errors_posix.cc`), Firefox's from `ErrorList.py` and NSPR's `prerr.h`, curl's from the exit
//! codes of `curl(1)`. What browsers call a condition without an errno is in `phrase`.

use super::spelling::Spelling;

/// The words, and curl's exit codes in the parentheses that it prints them in.
pub(super) static WORDS: &[Spelling] = &[
    chromium("ERR_CONNECTION_REFUSED", &["ECONNREFUSED"]),
    chromium("ERR_CONNECTION_RESET", &["ECONNRESET"]),
    chromium("ERR_CONNECTION_ABORTED", &["ECONNABORTED"]),
    chromium("ERR_CONNECTION_TIMED_OUT", &["ETIMEDOUT"]),
    chromium("ERR_TIMED_OUT", &["ETIMEDOUT"]),
    chromium("ERR_NAME_NOT_RESOLVED", NOT_RESOLVED),
    chromium("ERR_NAME_RESOLUTION_FAILED", &["EAI_AGAIN", "EAI_FAIL"]),
    chromium("ERR_ADDRESS_UNREACHABLE", &["EHOSTUNREACH", "ENETUNREACH"]),
    chromium("ERR_ADDRESS_INVALID", &["EADDRNOTAVAIL"]),
    chromium("ERR_ADDRESS_IN_USE", &["EADDRINUSE"]),
    chromium("ERR_INTERNET_DISCONNECTED", &["ENETDOWN", "ENETUNREACH"]),
    chromium("ERR_NETWORK_ACCESS_DENIED", &["EACCES"]),
    chromium("ERR_SOCKET_NOT_CONNECTED", &["ENOTCONN"]),
    chromium("ERR_MSG_TOO_BIG", &["EMSGSIZE"]),
    chromium("ERR_PROXY_CONNECTION_FAILED", NOT_CONNECTED),
    firefox("NS_ERROR_CONNECTION_REFUSED", &["ECONNREFUSED"]),
    firefox("NS_ERROR_PROXY_CONNECTION_REFUSED", &["ECONNREFUSED"]),
    firefox("NS_ERROR_NET_RESET", &["ECONNRESET"]),
    firefox("NS_ERROR_NET_TIMEOUT", &["ETIMEDOUT"]),
    firefox("NS_ERROR_UNKNOWN_HOST", NOT_RESOLVED),
    firefox("NS_ERROR_UNKNOWN_PROXY_HOST", NOT_RESOLVED),
    firefox("NS_ERROR_SOCKET_ADDRESS_IN_USE", &["EADDRINUSE"]),
    firefox("PR_CONNECT_REFUSED_ERROR", &["ECONNREFUSED"]),
    firefox("PR_CONNECT_RESET_ERROR", &["ECONNRESET"]),
    curl("(5)", NOT_RESOLVED),
    curl("(6)", NOT_RESOLVED),
    curl("(7)", NOT_CONNECTED),
    curl("(28)", &["ETIMEDOUT", "READ_TIMEOUT"]),
    curl("(18)", &["PEER_CLOSED"]),
    curl("(35)", HANDSHAKE),
    curl("(45)", &["EADDRNOTAVAIL", "EADDRINUSE"]),
    curl("(51)", &["CERT_WRONG_NAME"]),
    curl("(52)", &["PEER_CLOSED"]),
    curl("(55)", &["EPIPE", "ECONNRESET"]),
    curl("(56)", &["ECONNRESET"]),
    curl(
        "(60)",
        &[
            "CERT_EXPIRED",
            "CERT_SELF_SIGNED",
            "CERT_UNKNOWN_ISSUER",
            "CERT_WRONG_NAME",
        ],
    ),
    curl("(92)", &["HTTP2_ERROR"]),
    curl("Could not resolve host", NOT_RESOLVED),
    curl("Could not connect to server", NOT_CONNECTED),
    curl("Couldn't connect to server", NOT_CONNECTED),
];

const HANDSHAKE: &[&str] = &["TLS_CUT", "TLS_NO_COMMON", "TLS_TO_PLAIN"];

const NOT_RESOLVED: &[&str] = &["EAI_NONAME", "EAI_AGAIN"];

const NOT_CONNECTED: &[&str] = &["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"];

const fn chromium(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Chromium", word, names)
}

const fn firefox(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Firefox", word, names)
}

const fn curl(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("curl", word, names)
}
