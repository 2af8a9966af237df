//! The systems whose numbers differ: the same errno has one number on Linux, another on macOS and the
//! BSDs, on Windows, and in lwIP.
//!
//! Sources: `sys/errno.h` and `netdb.h` of XNU and FreeBSD, `winerror.h`, newlib's `sys/errno.h` with
//! what lwIP's `err_to_errno` returns (the numbers of the ESP32; lwIP's own are those of Linux).

use super::winsock;

/// A system, by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum System {
    /// Linux, and what shares its numbers.
    Linux,
    /// macOS, iOS and the BSDs.
    Bsd,
    /// Windows.
    Windows,
    /// lwIP with newlib: `MicroPython` and ESP-IDF on small devices.
    Lwip,
}

impl System {
    /// How the explanation calls it.
    pub fn title(self) -> &'static str {
        match self {
            System::Linux => "Linux",
            System::Bsd => "macOS and BSD",
            System::Windows => "Windows",
            System::Lwip => "lwIP (MicroPython, ESP32)",
        }
    }

    /// How the document writes it: `bsd`.
    pub fn word(self) -> &'static str {
        match self {
            System::Linux => "linux",
            System::Bsd => "bsd",
            System::Windows => "windows",
            System::Lwip => "lwip",
        }
    }
}

/// The systems that a text speaks of, in the order of [`SIGNS`].
pub(super) fn named_in(lower: &str) -> Vec<System> {
    let mut systems = Vec::new();
    for (system, signs) in SIGNS {
        if signs.iter().any(|sign| lower.contains(sign)) {
            systems.push(*system);
        }
    }
    systems
}

/// The errnos of a number on a system other than Linux.
pub(super) fn errnos(system: System, number: i32) -> &'static [&'static str] {
    let table = match system {
        System::Linux => return &[],
        System::Bsd => BSD,
        System::Windows => match winsock::stands_for(number) {
            Some(names) => return names,
            None => WIN32,
        },
        System::Lwip => LWIP,
    };
    let row = table.iter().find(|(its, _)| *its == number);
    row.map_or(&[], |(_, names)| names)
}

/// The code of `getaddrinfo` that a number is on macOS and the BSDs, where they are positive.
pub(super) fn resolver_of_bsd(number: i32) -> &'static [&'static str] {
    let row = BSD_RESOLVER.iter().find(|(its, _)| *its == number);
    row.map_or(&[], |(_, names)| names)
}

/// What a number below zero is that libuv does not take from the system: codes of the resolver, and the
/// errnos of Windows (`uv/errno.h`).
pub(super) fn of_libuv(number: i32) -> Option<(System, &'static str)> {
    let row = LIBUV.iter().find(|(its, _)| *its == number);
    let system = if number < 4000 {
        System::Linux
    } else {
        System::Windows
    };
    row.map(|(_, name)| (system, *name))
}

const LIBUV: &[(i32, &str)] = &[
    (3000, "EAI_ADDRFAMILY"),
    (3001, "EAI_AGAIN"),
    (3004, "EAI_FAIL"),
    (3005, "EAI_FAMILY"),
    (3006, "EAI_MEMORY"),
    (3007, "EAI_NODATA"),
    (3008, "EAI_NONAME"),
    (3010, "EAI_SERVICE"),
    (3011, "EAI_SOCKTYPE"),
    (4039, "ETIMEDOUT"),
    (4046, "EPROTO"),
    (4047, "EPIPE"),
    (4048, "EPERM"),
    (4050, "ENOTSOCK"),
    (4053, "ENOTCONN"),
    (4058, "ENOENT"),
    (4060, "ENOBUFS"),
    (4062, "ENETUNREACH"),
    (4063, "ENETDOWN"),
    (4065, "EMSGSIZE"),
    (4066, "EMFILE"),
    (4069, "EISCONN"),
    (4071, "EINVAL"),
    (4073, "EHOSTUNREACH"),
    (4077, "ECONNRESET"),
    (4078, "ECONNREFUSED"),
    (4079, "ECONNABORTED"),
    (4081, "ECANCELED"),
    (4083, "EBADF"),
    (4088, "EAGAIN"),
    (4090, "EADDRNOTAVAIL"),
    (4091, "EADDRINUSE"),
    (4092, "EACCES"),
    (4095, "PEER_CLOSED"),
];

/// What in a text, in lower case, tells its system.
const SIGNS: &[(System, &[&str])] = &[
    (
        System::Lwip,
        &[
            "micropython",
            "circuitpython",
            "esp32",
            "esp8266",
            "esp-idf",
            "esp-tls",
            "lwip",
            "uasyncio",
            "urequests",
            "transport_base:",
            "umqtt",
            "usocket",
            "esp_fail",
            "trans_tcp",
            "mbedtls_err",
            "pico w",
            "lopy",
            "mqtt_client:",
            "httpd_sock",
            "wificlient",
            "ssl_client.cpp",
        ],
    ),
    (
        System::Windows,
        &[
            "winerror",
            "wsae",
            "wsarecv",
            "wsasend",
            "wsagetlasterror",
            "connectex",
            "c:\\",
            "d:\\",
            "\\users\\",
            "forcibly closed",
            "actively refused",
            "powershell",
            "win32",
            "schannel",
            "only one usage of each socket address",
        ],
    ),
    (
        System::Bsd,
        &[
            "/users/",
            "macos",
            "mac os",
            "darwin",
            "/opt/homebrew",
            "/library/",
            "nsposix",
            "nsurlerror",
            "kcferror",
            "kqueue",
            "safari",
            "nw_socket",
            "nodename nor servname",
            "can't assign requested address",
            "freebsd",
            "openbsd",
            "connectx",
        ],
    ),
    (
        System::Linux,
        &[
            "linux",
            "/home/",
            "/usr/lib/python3",
            "systemd",
            "/proc/",
            "ubuntu",
            "debian",
            "fedora",
            "centos",
            "alpine",
            "epoll",
            "mount error(",
        ],
    ),
];

type Row = (i32, &'static [&'static str]);

/// What differs from Linux: from 35 on.
const BSD: &[Row] = &[
    (35, &["EAGAIN"]),
    (36, &["EINPROGRESS"]),
    (37, &["EALREADY"]),
    (38, &["ENOTSOCK"]),
    (39, &["EDESTADDRREQ"]),
    (40, &["EMSGSIZE"]),
    (41, &["EPROTOTYPE"]),
    (42, &["ENOPROTOOPT"]),
    (43, &["EPROTONOSUPPORT"]),
    (44, &["ESOCKTNOSUPPORT"]),
    (45, &["EOPNOTSUPP"]),
    (46, &["EPFNOSUPPORT"]),
    (47, &["EAFNOSUPPORT"]),
    (48, &["EADDRINUSE"]),
    (49, &["EADDRNOTAVAIL"]),
    (50, &["ENETDOWN"]),
    (51, &["ENETUNREACH"]),
    (52, &["ENETRESET"]),
    (53, &["ECONNABORTED"]),
    (54, &["ECONNRESET"]),
    (55, &["ENOBUFS"]),
    (56, &["EISCONN"]),
    (57, &["ENOTCONN"]),
    (58, &["ESHUTDOWN"]),
    (60, &["ETIMEDOUT"]),
    (61, &["ECONNREFUSED"]),
    (62, &["ELOOP"]),
    (63, &["ENAMETOOLONG"]),
    (64, &["EHOSTDOWN"]),
    (65, &["EHOSTUNREACH"]),
    (66, &["ENOTEMPTY"]),
    (70, &["ESTALE"]),
    (78, &["ENOSYS"]),
    (89, &["ECANCELED"]),
    (100, &["EPROTO"]),
];

const BSD_RESOLVER: &[Row] = &[
    (1, &["EAI_ADDRFAMILY"]),
    (2, &["EAI_AGAIN"]),
    (3, &["EAI_BADFLAGS"]),
    (4, &["EAI_FAIL"]),
    (5, &["EAI_FAMILY"]),
    (6, &["EAI_MEMORY"]),
    (7, &["EAI_NODATA"]),
    (8, &["EAI_NONAME"]),
    (9, &["EAI_SERVICE"]),
    (10, &["EAI_SOCKTYPE"]),
    (11, &["EAI_SYSTEM"]),
];

/// Errors of Windows that are not `WinSock`'s, as sockets, pipes and HTTP report them.
const WIN32: &[Row] = &[
    (2, &["ENOENT"]),
    (5, &["EACCES"]),
    (6, &["EBADF"]),
    (53, &["EHOSTUNREACH", "EAI_NONAME"]),
    (64, &["ECONNRESET"]),
    (87, &["EINVAL"]),
    (109, &["EPIPE"]),
    (121, &["ETIMEDOUT"]),
    (232, &["EPIPE"]),
    (258, &["READ_TIMEOUT"]),
    (995, &["ECANCELED"]),
    (997, &["EINPROGRESS"]),
    (1225, &["ECONNREFUSED"]),
    (1231, &["ENETUNREACH"]),
    (1232, &["EHOSTUNREACH"]),
    (1234, &["ECONNREFUSED"]),
    (1236, &["ECONNABORTED"]),
    (10093, &["WINSOCK_NOT_STARTED"]),
    (10101, &["PEER_CLOSED"]),
    (12002, &["READ_TIMEOUT", "ETIMEDOUT"]),
    (12007, &["EAI_NONAME", "EAI_AGAIN"]),
    (
        12029,
        &["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"],
    ),
    (12030, &["ECONNRESET", "PEER_CLOSED"]),
    (12152, &["WRONG_PROTOCOL"]),
    (12175, &["TLS_NO_COMMON", "CERT_UNKNOWN_ISSUER"]),
];

const LWIP: &[Row] = &[
    (112, &["EADDRINUSE"]),
    (113, &["ECONNABORTED"]),
    (116, &["ETIMEDOUT"]),
    (118, &["EHOSTUNREACH"]),
    (119, &["EINPROGRESS"]),
    (120, &["EALREADY"]),
    (127, &["EISCONN"]),
    (128, &["ENOTCONN"]),
    (200, &["EAI_NONAME"]),
    (202, &["EAI_FAIL", "EAI_NONAME"]),
    (203, &["EAI_MEMORY"]),
];
