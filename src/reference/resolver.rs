//! The codes of `getaddrinfo(3)`: why a name could not be resolved.
//!
//! Numbers from glibc's `netdb.h`, messages from its `gai_strerror(3)`. musl has the same numbers and
//! other messages, macOS other numbers.

/// One code of the resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolverCode {
    /// `EAI_NONAME`.
    pub name: &'static str,
    /// The number (glibc's `netdb.h`), below zero.
    pub number: i32,
    /// The text of `gai_strerror(3)`: `Name or service not known`.
    pub message: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// The next thing to try; the words `HOST` and `PORT` stand for the host and port concerned.
    pub next: &'static str,
    /// How to tell its causes apart: a sentence or two each.
    pub details: &'static [&'static str],
}

/// The entry of a number.
pub fn by_number(number: i32) -> Option<&'static ResolverCode> {
    all().find(|entry| entry.number == number)
}

/// The entry of a name, in any case.
pub fn by_name(name: &str) -> Option<&'static ResolverCode> {
    all().find(|entry| entry.name.eq_ignore_ascii_case(name))
}

/// Every entry, from -1 down.
pub fn all() -> impl Iterator<Item = &'static ResolverCode> {
    TABLE.iter()
}

/// Writes the table: number, name and message, then labelled texts.
macro_rules! codes {
    ($(
        $number:literal $name:ident $message:literal
        cause $cause:literal
        next $next:literal
        $(details $details:literal)*;
    )*) => {
        static TABLE: &[ResolverCode] = &[$(ResolverCode {
            name: stringify!($name),
            number: $number,
            message: $message,
            cause: $cause,
            next: $next,
            details: &[$($details),*],
        }),*];
    };
}

codes! {
    -1 EAI_BADFLAGS "Bad value for ai_flags"
        cause "the program passed flags that are contradictory or invalid"
        next "report it to the program's author; neither the name nor the network is the cause";

    -2 EAI_NONAME "Name or service not known"
        cause "the name does not exist in DNS, /etc/hosts or the search domains; or the service name for the port is unknown"
        next "check the spelling, then resolve it as programs do: getent ahosts HOST"
        details "A name that dig finds and getent does not: dig skips /etc/hosts, the search domains and /etc/nsswitch.conf."
        details "With AI_NUMERICHOST it means that the text is not an address.";

    -3 EAI_AGAIN "Temporary failure in name resolution"
        cause "the DNS server did not reply or reported a failure: the name may exist"
        next "list the DNS servers: cat /etc/resolv.conf; check them: sockdoc ping ADDRESS; see whether replies arrive: tcpdump -ni any port 53"
        details "In a container: it has no network, or its resolv.conf names an unreachable server."
        details "127.0.0.53 in resolv.conf is systemd-resolved: journalctl -u systemd-resolved.";

    -4 EAI_FAIL "Non-recoverable failure in name resolution"
        cause "the DNS server refused the query or sent an invalid reply"
        next "capture query and reply: tcpdump -vni any port 53; try another server in /etc/resolv.conf";

    -5 EAI_NODATA "No address associated with hostname"
        cause "the name exists, but has no address, or none of the requested family"
        next "drop -4 or -6; list all its addresses: getent ahosts HOST";

    -6 EAI_FAMILY "ai_family not supported"
        cause "the program requested an address family that the resolver does not support"
        next "drop -4 or -6; check whether IPv6 is enabled: ip -6 address show";

    -7 EAI_SOCKTYPE "ai_socktype not supported"
        cause "the program requested a socket type that the resolver does not support, or that does not match the protocol"
        next "report it to the program's author; neither the name nor the network is the cause";

    -8 EAI_SERVICE "Servname not supported for ai_socktype"
        cause "the service name is unknown for this kind of socket, or the port is not a number"
        next "use a port number; the known names are in /etc/services";

    -9 EAI_ADDRFAMILY "Address family for hostname not supported"
        cause "the host has no address of the requested family: an IPv6 literal with -4, a name without AAAA record with -6"
        next "drop -4 or -6; list all its addresses: getent ahosts HOST";

    -10 EAI_MEMORY "Memory allocation failure"
        cause "the process is out of memory"
        next "compare memory use with the limits: cat /proc/meminfo; ulimit -v";

    -11 EAI_SYSTEM "System error"
        cause "a system call failed, and errno gives the reason: often no descriptors left, or an unreadable file"
        next "explain the errno reported with it: sockdoc explain ERRNO; count the descriptors of the process: ls /proc/PID/fd";

    -12 EAI_OVERFLOW "Argument buffer overflow"
        cause "the program's buffer is too small for the name (glibc may say `Unknown error`)"
        next "report it to the program's author; neither the name nor the network is the cause";

    -100 EAI_INPROGRESS "Processing request in progress"
        cause "an asynchronous request of getaddrinfo_a(3) is still in progress"
        next "wait for it with gai_suspend";

    -101 EAI_CANCELED "Request canceled"
        cause "an asynchronous request of getaddrinfo_a(3) was cancelled"
        next "nothing is broken; repeat the request if the address is still needed";

    -102 EAI_NOTCANCELED "Request not canceled"
        cause "the request of getaddrinfo_a(3) was already in progress and could not be cancelled"
        next "wait for it with gai_suspend";

    -103 EAI_ALLDONE "All requests done"
        cause "no request of getaddrinfo_a(3) is left to wait for or to cancel"
        next "nothing is broken; read the results with gai_error";

    -104 EAI_INTR "Interrupted by a signal"
        cause "a signal arrived while gai_suspend was waiting"
        next "wait again; nothing was lost";

    -105 EAI_IDN_ENCODE "Parameter string not correctly encoded"
        cause "the name has characters that cannot be converted to the DNS form (xn--), or bytes that are not valid text"
        next "check the spelling and the locale: locale; or use the xn-- form";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_of_netdb_h_is_there_once() {
        let numbers: Vec<i32> = all().map(|entry| entry.number).collect();
        let expected: Vec<i32> = (1..=12).chain(100..=105).map(|n: i32| -n).collect();
        assert_eq!(numbers, expected);
        let names: HashSet<&str> = all().map(|entry| entry.name).collect();
        assert_eq!(names.len(), numbers.len());
    }

    #[test]
    fn a_code_is_found_by_number_and_by_name_in_any_case() {
        assert_eq!(by_number(-2).map(|code| code.name), Some("EAI_NONAME"));
        assert_eq!(by_name("eai_again").map(|code| code.number), Some(-3));
        assert_eq!(by_number(0), None);
        assert_eq!(by_name("EAI_NOTHING"), None);
    }

    #[test]
    fn the_codes_that_users_meet_say_what_to_check() {
        let next = |name| by_name(name).map_or("", |code| code.next);
        assert!(next("EAI_NONAME").contains("spelling"));
        assert!(next("EAI_AGAIN").contains("/etc/resolv.conf"));
        assert!(next("EAI_ADDRFAMILY").contains("drop -4 or -6"));
    }
}
