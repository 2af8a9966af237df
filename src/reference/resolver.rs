//! The codes of `getaddrinfo(3)`: why a name did not become an address.
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
    /// What `gai_strerror(3)` says: `Name or service not known`.
    pub message: &'static str,
    /// Why it happens, in words.
    pub cause: &'static str,
    /// The next thing to try; the words `HOST` and `PORT` stand for the name in question.
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
        cause "the program asked with flags that contradict each other or do not exist"
        next "report it to the program's author; the name and the network are not to blame";

    -2 EAI_NONAME "Name or service not known"
        cause "no such name: DNS, /etc/hosts and the search domains know nothing of it; or an unknown service name for the port"
        next "check the spelling, then ask as programs do: getent ahosts HOST"
        details "A name that dig finds and getent does not: dig skips /etc/hosts, the search domains and /etc/nsswitch.conf."
        details "With AI_NUMERICHOST it means that the text is not an address.";

    -3 EAI_AGAIN "Temporary failure in name resolution"
        cause "the DNS server did not answer, or answered that it failed: the name may well exist"
        next "which servers are asked? cat /etc/resolv.conf; then ping them; are answers coming? tcpdump -ni any port 53"
        details "In a container: it has no network, or a resolv.conf that names a server it cannot reach."
        details "127.0.0.53 in resolv.conf is systemd-resolved: journalctl -u systemd-resolved.";

    -4 EAI_FAIL "Non-recoverable failure in name resolution"
        cause "the DNS server refused the question or gave an answer that makes no sense"
        next "see question and answer: tcpdump -vni any port 53; try another server in /etc/resolv.conf";

    -5 EAI_NODATA "No address associated with hostname"
        cause "the name exists, but has no address, or none of the family that was asked for"
        next "drop -4 or -6; ask for all its addresses: getent ahosts HOST";

    -6 EAI_FAMILY "ai_family not supported"
        cause "the program asked for an address family that the resolver does not know"
        next "drop -4 or -6; is IPv6 there? ip -6 address show";

    -7 EAI_SOCKTYPE "ai_socktype not supported"
        cause "the program asked for a socket type that the resolver does not know, or that does not fit the protocol"
        next "report it to the program's author; the name and the network are not to blame";

    -8 EAI_SERVICE "Servname not supported for ai_socktype"
        cause "the service name is unknown for this kind of socket, or the port is not a number"
        next "give the port as a number; the names are in /etc/services";

    -9 EAI_ADDRFAMILY "Address family for hostname not supported"
        cause "the host has no address of the family that was asked for: an IPv6 literal with -4, a name without AAAA with -6"
        next "drop -4 or -6; ask for all its addresses: getent ahosts HOST";

    -10 EAI_MEMORY "Memory allocation failure"
        cause "the process has no memory left"
        next "compare memory with its limits: cat /proc/meminfo; ulimit -v";

    -11 EAI_SYSTEM "System error"
        cause "a system call failed, and errno says why: often no descriptor left, or a file that may not be read"
        next "look up the errno that comes with it; is the process out of descriptors? lsof -p PID";

    -12 EAI_OVERFLOW "Argument buffer overflow"
        cause "the program's buffer is too small for the name (glibc may say `Unknown error`)"
        next "report it to the program's author; the name and the network are not to blame";

    -100 EAI_INPROGRESS "Processing request in progress"
        cause "an asynchronous request of getaddrinfo_a(3) is still under way"
        next "wait for it with gai_suspend";

    -101 EAI_CANCELED "Request canceled"
        cause "an asynchronous request of getaddrinfo_a(3) was cancelled"
        next "nothing is broken; ask again if the address is still needed";

    -102 EAI_NOTCANCELED "Request not canceled"
        cause "the request of getaddrinfo_a(3) was under way already and could not be cancelled"
        next "wait for it with gai_suspend";

    -103 EAI_ALLDONE "All requests done"
        cause "no request of getaddrinfo_a(3) is left to wait for or to cancel"
        next "nothing is broken; read the results with gai_error";

    -104 EAI_INTR "Interrupted by a signal"
        cause "a signal arrived while gai_suspend was waiting"
        next "wait again; nothing was lost";

    -105 EAI_IDN_ENCODE "Parameter string not correctly encoded"
        cause "the name has characters that cannot be turned into the DNS form (xn--), or bytes that are not text"
        next "check the spelling and the locale: locale; or give the xn-- form";
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
