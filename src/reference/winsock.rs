//! What Windows calls an errno or a resolver code: the numbers and names of `winsock2.h`, and the
//! sentences that its `FormatMessage` makes of them.

use super::spelling::Spelling;

/// An error of `WinSock` with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WinSock {
    /// `10061`.
    pub number: i32,
    /// `WSAECONNREFUSED`.
    pub name: &'static str,
}

/// The error of a number.
pub fn by_number(number: i32) -> Option<&'static WinSock> {
    NUMBERS.iter().find(|error| error.number == number)
}

/// The errnos of a number.
pub(super) fn stands_for(number: i32) -> Option<&'static [&'static str]> {
    let at = NUMBERS.iter().position(|error| error.number == number)?;
    Some(NAMES[at].names)
}

/// Writes the numbers and, of the same rows, the spellings.
macro_rules! errors {
    ($($number:literal $name:ident $stands_for:ident;)*) => {
        static NUMBERS: &[WinSock] = &[$(WinSock {
            number: $number,
            name: stringify!($name),
        }),*];

        /// The names, each with what it stands for.
        pub(super) static NAMES: &[Spelling] = &[$(
            windows(stringify!($name), &[stringify!($stands_for)])
        ),*];
    };
}

errors! {
    10004 WSAEINTR EINTR;
    10009 WSAEBADF EBADF;
    10013 WSAEACCES EACCES;
    10014 WSAEFAULT EFAULT;
    10022 WSAEINVAL EINVAL;
    10024 WSAEMFILE EMFILE;
    10035 WSAEWOULDBLOCK EAGAIN;
    10036 WSAEINPROGRESS EINPROGRESS;
    10037 WSAEALREADY EALREADY;
    10038 WSAENOTSOCK ENOTSOCK;
    10039 WSAEDESTADDRREQ EDESTADDRREQ;
    10040 WSAEMSGSIZE EMSGSIZE;
    10041 WSAEPROTOTYPE EPROTOTYPE;
    10042 WSAENOPROTOOPT ENOPROTOOPT;
    10043 WSAEPROTONOSUPPORT EPROTONOSUPPORT;
    10044 WSAESOCKTNOSUPPORT ESOCKTNOSUPPORT;
    10045 WSAEOPNOTSUPP EOPNOTSUPP;
    10046 WSAEPFNOSUPPORT EPFNOSUPPORT;
    10047 WSAEAFNOSUPPORT EAFNOSUPPORT;
    10048 WSAEADDRINUSE EADDRINUSE;
    10049 WSAEADDRNOTAVAIL EADDRNOTAVAIL;
    10050 WSAENETDOWN ENETDOWN;
    10051 WSAENETUNREACH ENETUNREACH;
    10052 WSAENETRESET ENETRESET;
    10053 WSAECONNABORTED ECONNABORTED;
    10054 WSAECONNRESET ECONNRESET;
    10055 WSAENOBUFS ENOBUFS;
    10056 WSAEISCONN EISCONN;
    10057 WSAENOTCONN ENOTCONN;
    10058 WSAESHUTDOWN ESHUTDOWN;
    10060 WSAETIMEDOUT ETIMEDOUT;
    10061 WSAECONNREFUSED ECONNREFUSED;
    10064 WSAEHOSTDOWN EHOSTDOWN;
    10065 WSAEHOSTUNREACH EHOSTUNREACH;
    11001 WSAHOST_NOT_FOUND EAI_NONAME;
    11002 WSATRY_AGAIN EAI_AGAIN;
    11003 WSANO_RECOVERY EAI_FAIL;
    11004 WSANO_DATA EAI_NODATA;
}

/// The sentences, as much of each as distinguishes it from the others.
pub(super) static SENTENCES: &[Spelling] = &[
    windows("actively refused it", &["ECONNREFUSED"]),
    windows("forcibly closed by the remote host", &["ECONNRESET"]),
    windows(
        "aborted by the software in your host machine",
        &["ECONNABORTED"],
    ),
    windows(
        "did not properly respond after a period of time",
        &["ETIMEDOUT"],
    ),
    windows("Only one usage of each socket address", &["EADDRINUSE"]),
    windows(
        "requested address is not valid in its context",
        &["EADDRNOTAVAIL"],
    ),
    windows("attempted to an unreachable network", &["ENETUNREACH"]),
    windows("attempted to an unreachable host", &["EHOSTUNREACH"]),
    windows("forbidden by its access permissions", &["EACCES"]),
    windows("No such host is known", &["EAI_NONAME"]),
];

const fn windows(word: &'static str, names: &'static [&'static str]) -> Spelling {
    Spelling::new("Windows", word, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_that_of_its_name() {
        let name = |number| by_number(number).map(|error| error.name);
        assert_eq!(name(10061), Some("WSAECONNREFUSED"));
        assert_eq!(name(11001), Some("WSAHOST_NOT_FOUND"));
        assert_eq!(name(10059), None);
    }

    #[test]
    fn the_numbers_go_up_and_the_name_has_what_it_stands_for_in_it() {
        assert!(NUMBERS.is_sorted_by_key(|error| error.number));
        for (error, spelling) in NUMBERS.iter().zip(NAMES) {
            assert_eq!(error.name, spelling.word);
            let stands_for = spelling.names[0];
            let fits = error.name.ends_with(stands_for) || stands_for.starts_with("EAI_");
            assert!(fits || error.name == "WSAEWOULDBLOCK", "{error:?}");
        }
    }
}
