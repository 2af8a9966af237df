//! The messages of ICMP for IPv4. Sources: RFC 792, RFC 950 (address mask), RFC 1122 section 3.2.2,
//! RFC 1191 (3/4), RFC 1256 (router discovery), RFC 1812 section 5.2.7 (3/13 to 3/15), RFC 6633
//! (source quench is history), RFC 6918 (other types that are), RFC 8335 (extended echo).

use super::{Icmp, OnSocket, Version, messages};

messages! { Version::V4;
    0/any ICMP_ECHOREPLY "Echo Reply"
        cause "the answer to a ping: the host is up and the path works both ways"
        next "nothing is broken";

    3/any ICMP_DEST_UNREACH "Destination Unreachable"
        cause "a router, a firewall or the host itself could not deliver the packet; the code says why"
        next "see who sends it and with which code: tcpdump -vni any icmp";
    3/0 ICMP_NET_UNREACH "Destination Net Unreachable"
        socket ENETUNREACH,
        cause "a router on the way has no route to that network"
        next "the sender of the ICMP is the router to look at: tcpdump -ni any icmp";
    3/1 ICMP_HOST_UNREACH "Destination Host Unreachable"
        socket EHOSTUNREACH,
        cause "the last router, or this host itself, got no ARP answer from the host: it is off, or has another address"
        next "when the sender is this host, look for FAILED: ip neigh show; else look there, on the last router";
    3/2 ICMP_PROT_UNREACH "Destination Protocol Unreachable"
        socket ENOPROTOOPT fatal,
        cause "the host is up but does not know this protocol, e.g. SCTP or a tunnel that is not set up"
        next "load the protocol or set up the tunnel on the other host: ip link show";
    3/3 ICMP_PORT_UNREACH "Destination Port Unreachable"
        socket ECONNREFUSED fatal,
        cause "the host is up and no socket has that UDP port, or a firewall rejects (for TCP it is always a firewall)"
        next "on that host: ss -lunp; and its firewall: nft list ruleset";
    3/4 ICMP_FRAG_NEEDED "Frag needed and DF set"
        socket EMSGSIZE,
        cause "the packet is larger than the next link allows and must not be cut; the message names that link's MTU"
        next "normal for path MTU discovery; see what was learned: ip route get HOST";
    3/5 ICMP_SR_FAILED "Source Route Failed"
        socket EOPNOTSUPP,
        cause "the packet prescribes its route, and a router cannot or will not follow it"
        next "send without the source route option; the Internet drops it everywhere";
    3/6 ICMP_NET_UNKNOWN "Destination Net Unknown"
        socket ENETUNREACH fatal,
        cause "a router does not know that network at all; obsolete, code 0 is used instead (RFC 1812)"
        next "the sender of the ICMP is the router to look at: tcpdump -ni any icmp";
    3/7 ICMP_HOST_UNKNOWN "Destination Host Unknown"
        socket EHOSTDOWN fatal,
        cause "a router knows from its link layer that there is no such host"
        next "check the address; the sender of the ICMP is the router to look at: tcpdump -ni any icmp";
    3/8 ICMP_HOST_ISOLATED "Source Host Isolated"
        socket ENONET fatal,
        cause "a router says that the sender is cut off; obsolete, no modern router sends it (RFC 1812)"
        next "see which machine sends it: tcpdump -ni any icmp";
    3/9 ICMP_NET_ANO "Destination Net Prohibited"
        socket ENETUNREACH fatal,
        cause "a firewall on the way forbids that network"
        next "the sender of the ICMP is the firewall: tcpdump -ni any icmp; on it: nft list ruleset";
    3/10 ICMP_HOST_ANO "Destination Host Prohibited"
        socket EHOSTUNREACH fatal,
        cause "a firewall forbids it, mostly the host's own: this is the usual reject of firewalld and of old iptables rule sets"
        next "on the host that sends the ICMP: nft list ruleset; open the port there";
    3/11 ICMP_NET_UNR_TOS "Destination Net Unreachable for Type of Service"
        socket ENETUNREACH,
        cause "a router has a route to that network, but not for this type of service"
        next "send without a type of service (DSCP); look at the router that sends the ICMP";
    3/12 ICMP_HOST_UNR_TOS "Destination Host Unreachable for Type of Service"
        socket EHOSTUNREACH,
        cause "a router can reach that host, but not for this type of service"
        next "send without a type of service (DSCP); look at the router that sends the ICMP";
    3/13 ICMP_PKT_FILTERED "Packet filtered"
        socket EHOSTUNREACH fatal,
        cause "a firewall or an access list forbids the packet (communication administratively prohibited)"
        next "the sender of the ICMP is the firewall: tcpdump -ni any icmp; on it: nft list ruleset";
    3/14 ICMP_PREC_VIOLATION "Precedence Violation"
        socket EHOSTUNREACH fatal,
        cause "the first router does not permit the packet's precedence"
        next "send without precedence (DSCP)";
    3/15 ICMP_PREC_CUTOFF "Precedence Cutoff"
        socket EHOSTUNREACH fatal,
        cause "the network's operators demand a higher precedence than the packet has"
        next "ask the operator of the router that sends the ICMP";

    4/any ICMP_SOURCE_QUENCH "Source Quench"
        cause "an old router asks to send more slowly; obsolete and ignored by Linux (RFC 6633)"
        next "nothing to do; see which machine still sends it: tcpdump -ni any icmp";

    5/any ICMP_REDIRECT "Redirect"
        cause "a router says that another router on the same link is the better way; the code says for what"
        next "correct the route by hand if it is your router: ip route get HOST; are redirects taken? sysctl net.ipv4.conf.all.accept_redirects";
    5/0 ICMP_REDIR_NET "Redirect Network"
        cause "another router on this link is the better way to that network"
        next "which way is taken now? ip route get HOST";
    5/1 ICMP_REDIR_HOST "Redirect Host"
        cause "another router on this link is the better way to that host"
        next "which way is taken now? ip route get HOST";
    5/2 ICMP_REDIR_NETTOS "Redirect Type of Service and Network"
        cause "another router on this link is the better way to that network for this type of service"
        next "which way is taken now? ip route get HOST";
    5/3 ICMP_REDIR_HOSTTOS "Redirect Type of Service and Host"
        cause "another router on this link is the better way to that host for this type of service"
        next "which way is taken now? ip route get HOST";

    8/any ICMP_ECHO "Echo Request"
        cause "a ping; no answer to it means a firewall, a host that is down, or net.ipv4.icmp_echo_ignore_all"
        next "ping -c 3 HOST; on that host: sysctl net.ipv4.icmp_echo_ignore_all";

    9/any ICMP_ROUTERADVERT "Router Advertisement"
        cause "a router offers itself (RFC 1256); hardly used with IPv4, where DHCP names the router"
        next "compare with the default route: ip route show default";

    10/any ICMP_ROUTERSOLICIT "Router Solicitation"
        cause "a host asks for routers (RFC 1256); hardly used with IPv4"
        next "compare with the default route: ip route show default";

    11/any ICMP_TIME_EXCEEDED "Time Exceeded"
        socket EHOSTUNREACH,
        cause "the packet lived too long: in hops (code 0) or while waiting for its fragments (code 1)"
        next "see who sends it and with which code: tcpdump -vni any icmp";
    11/0 ICMP_EXC_TTL "Time to live exceeded"
        socket EHOSTUNREACH,
        cause "a router counted the TTL down to 0: a routing loop, or a TTL that is too small (traceroute does it on purpose)"
        next "look for a router that answers twice: ping -c 1 -t 1 HOST, then -t 2, 3 ...";
    11/1 ICMP_EXC_FRAGTIME "Frag reassembly time exceeded"
        socket EHOSTUNREACH,
        cause "a fragment of the packet was lost, and the host gave up waiting for it"
        next "send smaller datagrams; does a firewall drop fragments? ping -c 3 -s 2000 HOST";

    12/any ICMP_PARAMETERPROB "Parameter problem"
        socket EPROTO fatal,
        cause "a router or the host cannot make sense of the header; the message points at the byte"
        next "look at the packet's options: tcpdump -vvni any icmp";
    12/0 ICMP_PARAMPROB_ERRATPTR "Parameter problem: the pointer indicates the error"
        socket EPROTO fatal,
        cause "the header is wrong at the byte that the message points at"
        next "look at that byte: tcpdump -vvXni any icmp";
    12/1 ICMP_PARAMPROB_OPTABSENT "Parameter problem: a required option is missing"
        socket EPROTO fatal,
        cause "an option that the network requires is missing from the header"
        next "ask the operator of the router that sends the ICMP";
    12/2 ICMP_PARAMPROB_LENGTH "Parameter problem: bad length"
        socket EPROTO fatal,
        cause "a length in the header is wrong"
        next "look at the header: tcpdump -vvXni any icmp";

    13/any ICMP_TIMESTAMP "Timestamp Request"
        cause "a host asks for the time of day of another; used by scanners today"
        next "see who asks: tcpdump -ni any icmp";

    14/any ICMP_TIMESTAMPREPLY "Timestamp Reply"
        cause "the answer to a timestamp request"
        next "nothing is broken";

    15/any ICMP_INFO_REQUEST "Information Request"
        cause "a host asks for its network's number; obsolete, DHCP took its place (RFC 6918)"
        next "see who still asks: tcpdump -ni any icmp";

    16/any ICMP_INFO_REPLY "Information Reply"
        cause "the answer to an information request; obsolete (RFC 6918)"
        next "see who still answers: tcpdump -ni any icmp";

    17/any ICMP_ADDRESS "Address Mask Request"
        cause "a host asks for its netmask; obsolete, DHCP took its place (RFC 6918)"
        next "see who still asks: tcpdump -ni any icmp";

    18/any ICMP_ADDRESSREPLY "Address Mask Reply"
        cause "the answer to an address mask request; obsolete (RFC 6918)"
        next "see who still answers: tcpdump -ni any icmp";

    30/any ICMP_TRACEROUTE "Traceroute"
        cause "a router reports that a packet passed it (RFC 1393); obsolete, never much used (RFC 6918)"
        next "see who still sends it: tcpdump -ni any icmp";

    40/any ICMP_PHOTURIS "Photuris"
        cause "a failure of the Photuris security protocol (RFC 2521), which is not in use"
        next "see who sends it: tcpdump -ni any icmp";

    42/any ICMP_EXT_ECHO "Extended Echo Request"
        cause "a question about an interface of the host (PROBE, RFC 8335)"
        next "does the host answer these? there: sysctl net.ipv4.icmp_echo_enable_probe";

    43/any ICMP_EXT_ECHOREPLY "Extended Echo Reply"
        cause "the answer to an extended echo request (PROBE, RFC 8335); the code says whether there was an error"
        next "see the code: tcpdump -vni any icmp";
    43/0 ICMP_EXT_CODE_NO_ERROR "Extended Echo Reply: no error"
        cause "the interface was found, and the reply says whether it is active"
        next "nothing is broken; the active bit of the reply is the state of the interface";
    43/1 ICMP_EXT_CODE_MAL_QUERY "Extended Echo Reply: malformed query"
        cause "the host could not understand the question"
        next "check how the interface is named in the question";
    43/2 ICMP_EXT_CODE_NO_IF "Extended Echo Reply: no such interface"
        cause "the host has no such interface"
        next "on that host: ip link show";
    43/3 ICMP_EXT_CODE_NO_TABLE_ENT "Extended Echo Reply: no such table entry"
        cause "the host has no such neighbour in its table"
        next "on that host: ip neigh show";
    43/4 ICMP_EXT_CODE_MULT_IFS "Extended Echo Reply: multiple interfaces satisfy the query"
        cause "the question fits more than one interface"
        next "ask by the interface's index; on that host: ip link show";
}
