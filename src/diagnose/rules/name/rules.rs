//! What the rules about names say.

use super::super::{Check, Rule};

const fn rule(id: &'static str, title: &'static str, words: [&'static str; 4]) -> Rule {
    Rule::new(id, title, words, Check::Name)
}

/// The first server does not answer.
pub static DNS_FIRST_SERVER_DEAD: Rule = rule(
    "dns_first_server_dead",
    "the first name server does not answer",
    [
        "Programs ask the name servers in the order of /etc/resolv.conf, and wait for the first until its timeout. \
         Each look-up is slow, and then succeeds by another server.",
        "Each server was asked by itself: the first sent nothing, and a later one answered.",
        "A server that is only slow does answer. One that refuses (an ICMP error) costs no time. With a name that \
         only the servers above must look for, both would be slow.",
        "Remove the line from /etc/resolv.conf or put it last, or repair that server. Until then `options timeout:1` \
         makes the wait shorter.",
    ],
);

/// A server does not answer.
pub static DNS_NO_ANSWER: Rule = rule(
    "dns_no_answer",
    "no name server answers",
    [
        "Names that are not in /etc/hosts cannot be looked up.",
        "Each server was asked by itself, three times in as many seconds, and sent nothing.",
        "A server that answers SERVFAIL or REFUSED does answer. One whose host is up without a name server sends an \
         ICMP error.",
        "Check that the server's host answers, and that no firewall drops UDP port 53.",
    ],
);

/// A server is slow.
pub static DNS_SERVER_SLOW: Rule = rule(
    "dns_server_slow",
    "the first name server is slow",
    [
        "Each look-up waits for this server.",
        "It took a second or longer to answer, and to answer the same query once more.",
        "A name that the server has to look for elsewhere is slow the first time only.",
        "Look at the load of that server and at the path to it: sockdoc ping.",
    ],
);

/// The server failed.
pub static DNS_SERVFAIL: Rule = rule(
    "dns_servfail",
    "the name server fails (SERVFAIL)",
    [
        "The server could not find the answer: the servers of the domain do not answer it, or DNSSEC does not \
         confirm what they say.",
        "The response code SERVFAIL. If the same query with the bit CD (checking disabled) has an answer, DNSSEC is \
         the reason.",
        "NXDOMAIN is an answer: the name does not exist. No reply at all is another matter.",
        "Ask another server for the name. If only this one fails, its own configuration or its way to the domain's \
         servers is at fault.",
    ],
);

/// The server does not serve us.
pub static DNS_SERVER_REFUSES: Rule = rule(
    "dns_server_refuses",
    "a name server refuses queries",
    [
        "The server does not answer queries of this host: it does not serve its network, does not look up other \
         domains than its own, or does not run.",
        "The response code REFUSED, or the ICMP error that nothing listens on its port.",
        "A server that is filtered or off sends nothing.",
        "Allow this host at the server, start it, or name another one in /etc/resolv.conf.",
    ],
);

/// Queries for IPv6 addresses fail.
pub static DNS_AAAA_BROKEN: Rule = rule(
    "dns_aaaa_broken",
    "queries for IPv6 addresses (AAAA) fail",
    [
        "Programs ask for both kinds of address and wait for both. The IPv4 address is there, and each look-up \
         waits until the query for IPv6 is given up, or fails with it.",
        "The same server answered the query for A and not the one for AAAA, or said that the name does not exist.",
        "A name without an IPv6 address is normal: the server then sends an empty answer at once.",
        "Repair the name server, or the firewall that drops these queries. `options single-request` helps if two \
         queries at once are the trouble, `options no-aaaa` (glibc 2.36) leaves them out.",
    ],
);

/// No TCP to the server.
pub static DNS_TCP_BLOCKED: Rule = rule(
    "dns_tcp_blocked",
    "the name server's answer does not fit, and TCP to it fails",
    [
        "The answer is too long for a datagram. Programs then ask by TCP, and that does not work: names with short \
         answers are found, and this one is not.",
        "The reply by UDP was truncated (TC), and the query by TCP port 53 got no reply.",
        "A truncated reply is normal as long as TCP works.",
        "Allow TCP port 53 to the name server, in its firewall and on the path.",
    ],
);

/// Servers differ.
pub static DNS_ANSWERS_DIFFER: Rule = rule(
    "dns_answers_differ",
    "the name servers contradict each other",
    [
        "One name server returns an address for the name, and another returns none. Which answer a program gets \
         depends on the server that replies to it first.",
        "Each server was asked for the same names by itself.",
        "Different addresses of one name are normal (load is shared). A server that fails is another matter.",
        "Name only servers in /etc/resolv.conf that know the same domains: the C library asks the second only if \
         the first does not answer or fails, not if the first says that the name does not exist.",
    ],
);

/// The hosts file hides the DNS.
pub static HOSTS_FILE_OVERRIDE: Rule = rule(
    "hosts_file_override",
    "the hosts file has another address than the DNS",
    [
        "Programs of this host use the address of /etc/hosts. All other hosts use that of the DNS.",
        "The entry in /etc/hosts, and the reply of a name server that was asked by itself; no address is in both.",
        "An entry with an address of this host itself (127.0.1.1) is how distributions give the host its own name.",
        "If the entry is old, remove the line from /etc/hosts.",
    ],
);

/// The name does not exist.
pub static NAME_UNKNOWN: Rule = rule(
    "name_unknown",
    "the name has no address",
    [
        "The name servers work, and know no address of this name.",
        "Every server that answered said NXDOMAIN (no such name) or gave no address, for each name that was tried.",
        "A server that fails or does not answer would leave it open.",
        "Check the spelling, and the domain that it needs: a short name is tried with the search domains of \
         /etc/resolv.conf.",
    ],
);

/// The C library does not see what the servers say.
pub static RESOLVER_DISAGREES: Rule = rule(
    "resolver_disagrees",
    "programs do not get the address that the name server has",
    [
        "A name server has the address, and getaddrinfo(3), which programs call, does not give it.",
        "The name server was asked by itself, at the same time.",
        "A server that answers only after the C library gave up has a time beyond its timeout.",
        "Look at the sources in /etc/nsswitch.conf: `dns` must be among them, and no source before it may end the \
         search.",
    ],
);

/// Only some of a name's addresses have a listener.
pub static FAMILY_MISMATCH: Rule = rule(
    "family_mismatch",
    "the server listens on some of the name's addresses only",
    [
        "The name has several addresses of this host, and the server listens on some of them. A program that tries \
         only the first address, or only one family, is refused; one that tries them all gets through.",
        "The addresses that getaddrinfo(3) gives, and the sockets that listen on the port.",
        "A server on all addresses (:: without IPV6_V6ONLY) takes IPv4 too.",
        "Let the server listen on each of these addresses, or give clients the address instead of the name.",
    ],
);
