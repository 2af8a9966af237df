//! The messages of ICMP for IPv4. Sources: RFC 792, RFC 950 (address mask), RFC 1122 section 3.2.2,
//! RFC 1191 (3/4), RFC 1256 (router discovery), RFC 1812 section 5.2.7 (3/13 to 3/15), RFC 6633
//! (source quench is deprecated), RFC 6918 (other deprecated types), RFC 8335 (extended echo).

use super::{Icmp, OnSocket, Version, messages};

messages! { Version::V4;
    0/any ICMP_ECHOREPLY "Echo Reply"
        cause "the reply to a ping: the host is up and the path works in both directions"
        next "nothing is broken";

    3/any ICMP_DEST_UNREACH "Destination Unreachable"
        cause "a router, a firewall or the host itself could not deliver the packet; the code gives the reason"
        next "find the sender and the code: tcpdump -vni any icmp";
    3/0 ICMP_NET_UNREACH "Destination Net Unreachable"
        socket ENETUNREACH,
        cause "a router on the path has no route to that network"
        next "the sender of the ICMP error is the router to check: tcpdump -ni any icmp";
    3/1 ICMP_HOST_UNREACH "Destination Host Unreachable"
        socket EHOSTUNREACH,
        cause "the last router, or this host itself, got no ARP reply from the host: it is down, or has another address"
        next "if the sender is this host, look for FAILED: ip neigh show; otherwise check the last router";
    3/2 ICMP_PROT_UNREACH "Destination Protocol Unreachable"
        socket ENOPROTOOPT fatal,
        cause "the host is up but does not support this protocol, for example SCTP or a tunnel that is not set up"
        next "load the protocol module or set up the tunnel on the other host: ip link show";
    3/3 ICMP_PORT_UNREACH "Destination Port Unreachable"
        socket ECONNREFUSED fatal,
        cause "the host is up and no socket uses that UDP port, or a firewall rejects the packet (for TCP it is always a firewall)"
        next "on that host, list the UDP sockets: sockdoc sockets -lu; and its firewall rules: nft list ruleset";
    3/4 ICMP_FRAG_NEEDED "Frag needed and DF set"
        socket EMSGSIZE,
        cause "the packet is larger than the next link allows and must not be fragmented; the message contains that link's MTU"
        next "normal for path MTU discovery; measure the path MTU: sockdoc ping --mtu HOST; show the cached one: ip route get HOST";
    3/5 ICMP_SR_FAILED "Source Route Failed"
        socket EOPNOTSUPP,
        cause "the packet specifies its route, and a router cannot or will not follow it"
        next "send without the source route option; Internet routers drop it";
    3/6 ICMP_NET_UNKNOWN "Destination Net Unknown"
        socket ENETUNREACH fatal,
        cause "a router does not know that network at all; obsolete, code 0 is used instead (RFC 1812)"
        next "the sender of the ICMP error is the router to check: tcpdump -ni any icmp";
    3/7 ICMP_HOST_UNKNOWN "Destination Host Unknown"
        socket EHOSTDOWN fatal,
        cause "a router knows from its link layer that the host does not exist"
        next "check the address; the sender of the ICMP error is the router to check: tcpdump -ni any icmp";
    3/8 ICMP_HOST_ISOLATED "Source Host Isolated"
        socket ENONET fatal,
        cause "a router reports that the sender is isolated; obsolete, modern routers do not send it (RFC 1812)"
        next "find the sender: tcpdump -ni any icmp";
    3/9 ICMP_NET_ANO "Destination Net Prohibited"
        socket ENETUNREACH fatal,
        cause "a firewall on the path forbids that network"
        next "the sender of the ICMP error is the firewall: tcpdump -ni any icmp; on it: nft list ruleset";
    3/10 ICMP_HOST_ANO "Destination Host Prohibited"
        socket EHOSTUNREACH fatal,
        cause "a firewall rejects the packet, usually the host's own: this is the default reject of firewalld and of old iptables rule sets"
        next "on the host that sends the ICMP error: nft list ruleset; open the port there";
    3/11 ICMP_NET_UNR_TOS "Destination Net Unreachable for Type of Service"
        socket ENETUNREACH,
        cause "a router has a route to that network, but not for this type of service"
        next "send without a type of service (DSCP); check the router that sends the ICMP error";
    3/12 ICMP_HOST_UNR_TOS "Destination Host Unreachable for Type of Service"
        socket EHOSTUNREACH,
        cause "a router can reach that host, but not for this type of service"
        next "send without a type of service (DSCP); check the router that sends the ICMP error";
    3/13 ICMP_PKT_FILTERED "Packet filtered"
        socket EHOSTUNREACH fatal,
        cause "a firewall or an access list rejects the packet (communication administratively prohibited)"
        next "the sender of the ICMP error is the firewall: tcpdump -ni any icmp; on it: nft list ruleset";
    3/14 ICMP_PREC_VIOLATION "Precedence Violation"
        socket EHOSTUNREACH fatal,
        cause "the first router does not permit the packet's precedence"
        next "send without precedence (DSCP)";
    3/15 ICMP_PREC_CUTOFF "Precedence Cutoff"
        socket EHOSTUNREACH fatal,
        cause "the network's operators demand a higher precedence than the packet has"
        next "ask the operator of the router that sends the ICMP error";

    4/any ICMP_SOURCE_QUENCH "Source Quench"
        cause "an old router asks the sender to slow down; obsolete and ignored by Linux (RFC 6633)"
        next "nothing to do; find the sender: tcpdump -ni any icmp";

    5/any ICMP_REDIRECT "Redirect"
        cause "a router reports that another router on the same link is the better next hop; the code says for which packets"
        next "if the router is yours, correct the route: ip route get HOST; see whether redirects are accepted: sysctl net.ipv4.conf.all.accept_redirects";
    5/0 ICMP_REDIR_NET "Redirect Network"
        cause "another router on this link is the better next hop to that network"
        next "show the route in use: ip route get HOST";
    5/1 ICMP_REDIR_HOST "Redirect Host"
        cause "another router on this link is the better next hop to that host"
        next "show the route in use: ip route get HOST";
    5/2 ICMP_REDIR_NETTOS "Redirect Type of Service and Network"
        cause "another router on this link is the better next hop to that network for this type of service"
        next "show the route in use: ip route get HOST";
    5/3 ICMP_REDIR_HOSTTOS "Redirect Type of Service and Host"
        cause "another router on this link is the better next hop to that host for this type of service"
        next "show the route in use: ip route get HOST";

    8/any ICMP_ECHO "Echo Request"
        cause "a ping; no reply means a firewall, a host that is down, or net.ipv4.icmp_echo_ignore_all"
        next "sockdoc ping -c 3 HOST; on that host: sysctl net.ipv4.icmp_echo_ignore_all";

    9/any ICMP_ROUTERADVERT "Router Advertisement"
        cause "a router announces itself (RFC 1256); rare with IPv4, because DHCP provides the router address"
        next "compare with the default route: ip route show default";

    10/any ICMP_ROUTERSOLICIT "Router Solicitation"
        cause "a host asks for routers (RFC 1256); rare with IPv4"
        next "compare with the default route: ip route show default";

    11/any ICMP_TIME_EXCEEDED "Time Exceeded"
        socket EHOSTUNREACH,
        cause "the packet exceeded its lifetime: its hop count (code 0) or the time to reassemble its fragments (code 1)"
        next "find the sender and the code: tcpdump -vni any icmp";
    11/0 ICMP_EXC_TTL "Time to live exceeded"
        socket EHOSTUNREACH,
        cause "the TTL reached 0 at a router: a routing loop, or a TTL that is too small (traceroute does this on purpose)"
        next "look for a router that appears twice: sockdoc ping --hops HOST";
    11/1 ICMP_EXC_FRAGTIME "Frag reassembly time exceeded"
        socket EHOSTUNREACH,
        cause "a fragment of the packet was lost, and the host stopped waiting for it"
        next "send smaller datagrams; see whether a firewall drops fragments: sockdoc ping -c 3 -s 2000 HOST";

    12/any ICMP_PARAMETERPROB "Parameter problem"
        socket EPROTO fatal,
        cause "a router or the host cannot parse the header; the message points at the byte"
        next "look at the packet's options: tcpdump -vvni any icmp";
    12/0 ICMP_PARAMPROB_ERRATPTR "Parameter problem: the pointer indicates the error"
        socket EPROTO fatal,
        cause "the header is wrong at the byte that the message points at"
        next "look at that byte: tcpdump -vvXni any icmp";
    12/1 ICMP_PARAMPROB_OPTABSENT "Parameter problem: a required option is missing"
        socket EPROTO fatal,
        cause "an option that the network requires is missing from the header"
        next "ask the operator of the router that sends the ICMP error";
    12/2 ICMP_PARAMPROB_LENGTH "Parameter problem: bad length"
        socket EPROTO fatal,
        cause "a length in the header is wrong"
        next "look at the header: tcpdump -vvXni any icmp";

    13/any ICMP_TIMESTAMP "Timestamp Request"
        cause "a host asks another for the time of day; today used by scanners"
        next "find the sender: tcpdump -ni any icmp";

    14/any ICMP_TIMESTAMPREPLY "Timestamp Reply"
        cause "the reply to a timestamp request"
        next "nothing is broken";

    15/any ICMP_INFO_REQUEST "Information Request"
        cause "a host asks for its network number; obsolete, replaced by DHCP (RFC 6918)"
        next "find the sender: tcpdump -ni any icmp";

    16/any ICMP_INFO_REPLY "Information Reply"
        cause "the reply to an information request; obsolete (RFC 6918)"
        next "find the sender: tcpdump -ni any icmp";

    17/any ICMP_ADDRESS "Address Mask Request"
        cause "a host asks for its netmask; obsolete, replaced by DHCP (RFC 6918)"
        next "find the sender: tcpdump -ni any icmp";

    18/any ICMP_ADDRESSREPLY "Address Mask Reply"
        cause "the reply to an address mask request; obsolete (RFC 6918)"
        next "find the sender: tcpdump -ni any icmp";

    30/any ICMP_TRACEROUTE "Traceroute"
        cause "a router reports that a packet passed through it (RFC 1393); obsolete and rarely used (RFC 6918)"
        next "find the sender: tcpdump -ni any icmp";

    40/any ICMP_PHOTURIS "Photuris"
        cause "a failure of the Photuris security protocol (RFC 2521), which is not in use"
        next "find the sender: tcpdump -ni any icmp";

    42/any ICMP_EXT_ECHO "Extended Echo Request"
        cause "a query about an interface of the host (PROBE, RFC 8335)"
        next "on that host, see whether it answers such queries: sysctl net.ipv4.icmp_echo_enable_probe";

    43/any ICMP_EXT_ECHOREPLY "Extended Echo Reply"
        cause "the reply to an extended echo request (PROBE, RFC 8335); the code reports any error"
        next "see the code: tcpdump -vni any icmp";
    43/0 ICMP_EXT_CODE_NO_ERROR "Extended Echo Reply: no error"
        cause "the interface was found, and the reply says whether it is active"
        next "nothing is broken; the active bit of the reply is the state of the interface";
    43/1 ICMP_EXT_CODE_MAL_QUERY "Extended Echo Reply: malformed query"
        cause "the host could not parse the query"
        next "check how the query names the interface";
    43/2 ICMP_EXT_CODE_NO_IF "Extended Echo Reply: no such interface"
        cause "the host does not have the interface"
        next "on that host: ip link show";
    43/3 ICMP_EXT_CODE_NO_TABLE_ENT "Extended Echo Reply: no such table entry"
        cause "the host does not have the neighbour in its table"
        next "on that host: ip neigh show";
    43/4 ICMP_EXT_CODE_MULT_IFS "Extended Echo Reply: multiple interfaces satisfy the query"
        cause "the query matches more than one interface"
        next "query by interface index; on that host: ip link show";
}
