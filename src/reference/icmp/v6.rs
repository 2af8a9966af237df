//! The messages of ICMP for IPv6. Sources: RFC 4443, RFC 4861 (neighbour discovery), RFC 2710 and
//! RFC 3810 (multicast listeners), RFC 4286 (multicast routers), RFC 4620 (node information), RFC 6275
//! (mobility), RFC 6550 and RFC 7731 (low-power networks), RFC 8335 (extended echo), RFC 8883 (1/8 and
//! 4/5 to 4/10).

use super::{Icmp, OnSocket, Version, messages};

messages! { Version::V6;
    1/any ICMPV6_DEST_UNREACH "Destination unreachable"
        cause "a router, a firewall or the host itself could not deliver the packet; the code gives the reason"
        next "find the sender and the code: tcpdump -vni any icmp6";
    1/0 ICMPV6_NOROUTE "Destination unreachable: No route"
        socket ENETUNREACH,
        cause "a router on the path, or this host, has no route to the destination"
        next "show the route: ip -6 route get HOST; if it exists, check the router that sends the ICMP error: tcpdump -ni any icmp6";
    1/1 ICMPV6_ADM_PROHIBITED "Destination unreachable: Administratively prohibited"
        socket EACCES fatal,
        cause "a firewall rejects the packet"
        next "the sender of the ICMP error is the firewall: tcpdump -ni any icmp6; on it: nft list ruleset";
    1/2 ICMPV6_NOT_NEIGHBOUR "Destination unreachable: Beyond scope of source address"
        socket EHOSTUNREACH,
        cause "the source address is link-local and the destination is beyond a router"
        next "use a global source address: ip -6 address show scope global; ip -6 route get HOST";
    1/3 ICMPV6_ADDR_UNREACH "Destination unreachable: Address unreachable"
        socket EHOSTUNREACH,
        cause "the last router, or this host itself, got no neighbour advertisement: the host is down or has another address"
        next "if the sender is this host, look for FAILED: ip -6 neigh show; otherwise check the last router";
    1/4 ICMPV6_PORT_UNREACH "Destination unreachable: Port unreachable"
        socket ECONNREFUSED fatal,
        cause "the host is up and no socket uses that UDP port, or a firewall rejects the packet (for TCP it is always a firewall)"
        next "on that host, list the UDP sockets: sockdoc sockets -lu; and its firewall rules: nft list ruleset";
    1/5 ICMPV6_POLICY_FAIL "Destination unreachable: Source address failed policy"
        socket EACCES fatal,
        cause "a router does not accept packets from this source address (ingress or egress filter)"
        next "show the source address in use: ip -6 route get HOST";
    1/6 ICMPV6_REJECT_ROUTE "Destination unreachable: Reject route"
        socket EACCES fatal,
        cause "a router has a route that rejects this destination"
        next "the sender of the ICMP error is the router to check: tcpdump -ni any icmp6";
    1/7 ICMPV6_SRC_ROUTING "Destination unreachable: Error in source routing header"
        socket EPROTO fatal,
        cause "a router of a low-power network (RPL) cannot follow the source routing header (RFC 6550)"
        next "find the router that sends it: tcpdump -vni any icmp6";
    1/8 ICMPV6_HEADERS_TOO_LONG "Destination unreachable: Headers too long"
        socket EPROTO fatal,
        cause "the headers are longer than a router can process (RFC 8883)"
        next "send with fewer or shorter extension headers";

    2/any ICMPV6_PKT_TOOBIG "Packet too big"
        socket EMSGSIZE,
        cause "the packet is larger than the next link allows; the message contains that link's MTU"
        next "normal for path MTU discovery, and must never be filtered; measure the path MTU: sockdoc ping -6 --mtu HOST; show the cached one: ip -6 route get HOST";

    3/any ICMPV6_TIME_EXCEED "Time exceeded"
        socket EHOSTUNREACH,
        cause "the packet exceeded its lifetime: its hop count (code 0) or the time to reassemble its fragments (code 1)"
        next "find the sender and the code: tcpdump -vni any icmp6";
    3/0 ICMPV6_EXC_HOPLIMIT "Time exceeded: Hop limit"
        socket EHOSTUNREACH,
        cause "the hop limit reached 0 at a router: a routing loop, or a limit that is too small (traceroute does this on purpose)"
        next "look for a router that appears twice: sockdoc ping -6 --hops HOST";
    3/1 ICMPV6_EXC_FRAGTIME "Time exceeded: Defragmentation failure"
        socket EHOSTUNREACH,
        cause "a fragment of the packet was lost, and the host stopped waiting for it"
        next "send smaller datagrams; see whether a firewall drops fragments: sockdoc ping -6 -c 3 -s 2000 HOST";

    4/any ICMPV6_PARAMPROB "Parameter problem"
        socket EPROTO fatal,
        cause "a router or the host cannot parse a header; the message points at the byte"
        next "look at the packet's headers: tcpdump -vvni any icmp6";
    4/0 ICMPV6_HDR_FIELD "Parameter problem: Wrong header field"
        socket EPROTO fatal,
        cause "a field of a header has a value that is not allowed"
        next "look at the byte that the message points at: tcpdump -vvXni any icmp6";
    4/1 ICMPV6_UNK_NEXTHDR "Parameter problem: Unknown header"
        socket EPROTO fatal,
        cause "the host does not support that protocol or extension header"
        next "load the protocol module or set up the tunnel on the other host: ip link show";
    4/2 ICMPV6_UNK_OPTION "Parameter problem: Unknown option"
        socket EPROTO fatal,
        cause "the host does not know an option whose type asks for an error report"
        next "send without that option: tcpdump -vvni any icmp6";
    4/3 ICMPV6_HDR_INCOMP "Parameter problem: Incomplete header chain"
        socket EPROTO fatal,
        cause "the first fragment does not contain all headers (RFC 7112)"
        next "send with shorter headers, or without fragments";
    4/4 ICMPV6_SR_UPPER_LAYER "Parameter problem: SR upper-layer header error"
        socket EPROTO fatal,
        cause "a segment routing endpoint cannot process what follows its header (RFC 8754)"
        next "check the segment list of the sender";
    4/5 ICMPV6_UNK_NEXTHDR_ROUTER "Parameter problem: Unknown header at a router"
        socket EPROTO fatal,
        cause "a router on the path does not know an extension header (RFC 8883)"
        next "send without that extension header: tcpdump -vvni any icmp6";
    4/6 ICMPV6_EXT_HDR_TOO_BIG "Parameter problem: Extension header too big"
        socket EPROTO fatal,
        cause "an extension header is longer than a node can process (RFC 8883)"
        next "send a shorter extension header";
    4/7 ICMPV6_EXT_CHAIN_TOO_LONG "Parameter problem: Extension header chain too long"
        socket EPROTO fatal,
        cause "the extension headers together are longer than a node can process (RFC 8883)"
        next "send fewer or shorter extension headers";
    4/8 ICMPV6_TOO_MANY_EXT_HDRS "Parameter problem: Too many extension headers"
        socket EPROTO fatal,
        cause "there are more extension headers than a node can process (RFC 8883)"
        next "send fewer extension headers";
    4/9 ICMPV6_TOO_MANY_OPTIONS "Parameter problem: Too many options in extension header"
        socket EPROTO fatal,
        cause "there are more options than a node can process (RFC 8883)"
        next "send fewer options";
    4/10 ICMPV6_OPTION_TOO_BIG "Parameter problem: Option too big"
        socket EPROTO fatal,
        cause "an option is longer than a node can process (RFC 8883)"
        next "send a shorter option";

    128/any ICMPV6_ECHO_REQUEST "Echo request"
        cause "a ping; no reply means a firewall, a host that is down, or net.ipv6.icmp.echo_ignore_all"
        next "sockdoc ping -6 -c 3 HOST; on that host: sysctl net.ipv6.icmp.echo_ignore_all";

    129/any ICMPV6_ECHO_REPLY "Echo reply"
        cause "the reply to a ping: the host is up and the path works in both directions"
        next "nothing is broken";

    130/any ICMPV6_MGM_QUERY "Multicast Listener Query"
        cause "a router asks which multicast groups have listeners (RFC 2710, RFC 3810)"
        next "list the groups of this host: ip -6 maddress show";

    131/any ICMPV6_MGM_REPORT "Multicast Listener Report"
        cause "a host reports that it listens to a multicast group (RFC 2710)"
        next "list the groups of this host: ip -6 maddress show";

    132/any ICMPV6_MGM_REDUCTION "Multicast Listener Done"
        cause "a host no longer listens to a multicast group (RFC 2710)"
        next "list the groups of this host: ip -6 maddress show";

    133/any ND_ROUTER_SOLICIT "Router Solicitation"
        cause "a host asks for routers (RFC 4861), as it does when an interface comes up"
        next "without a reply there is no default route: ip -6 route show default; tcpdump -ni any icmp6";

    134/any ND_ROUTER_ADVERT "Router Advertisement"
        cause "a router announces itself, its prefixes and its MTU (RFC 4861)"
        next "see whether it was accepted: ip -6 route show default; sysctl net.ipv6.conf.all.accept_ra net.ipv6.conf.all.forwarding";

    135/any ND_NEIGHBOR_SOLICIT "Neighbour Solicitation"
        cause "a host asks for the link-layer address of another, or whether an address is free (RFC 4861, RFC 4862)"
        next "unanswered solicitations show as FAILED or INCOMPLETE: ip -6 neigh show";

    136/any ND_NEIGHBOR_ADVERT "Neighbour Advertisement"
        cause "a host announces its link-layer address (RFC 4861); for a tentative address it means a duplicate"
        next "look for dadfailed: ip -6 address show; ip -6 neigh show";

    137/any ND_REDIRECT "Redirect"
        cause "a router reports that another router on the same link, or the host itself, is the better next hop (RFC 4861)"
        next "show the route in use: ip -6 route get HOST";

    138/any ICMPV6_ROUTER_RENUMBERING "Router Renumbering"
        cause "an administrator changes the prefixes of routers (RFC 2894); rarely used"
        next "find the sender: tcpdump -ni any icmp6";

    139/any ICMPV6_NI_QUERY "Node Information Query"
        cause "a host asks for another's name or addresses (RFC 4620); rarely used"
        next "find the sender: tcpdump -ni any icmp6";

    140/any ICMPV6_NI_REPLY "Node Information Reply"
        cause "the reply to a node information query (RFC 4620)"
        next "nothing is broken";

    141/any ND_INVERSE_SOLICIT "Inverse Neighbour Discovery Solicitation"
        cause "a host asks which addresses belong to a link-layer address (RFC 3122)"
        next "list the neighbours: ip -6 neigh show";

    142/any ND_INVERSE_ADVERT "Inverse Neighbour Discovery Advertisement"
        cause "the reply to an inverse neighbour discovery solicitation (RFC 3122)"
        next "list the neighbours: ip -6 neigh show";

    143/any ICMPV6_MLD2_REPORT "Multicast Listener Report, version 2"
        cause "a host reports which multicast groups and sources it listens to (RFC 3810)"
        next "list the groups of this host: ip -6 maddress show";

    144/any ICMPV6_DHAAD_REQUEST "Home Agent Address Discovery Request"
        cause "a mobile host searches for its home agent (RFC 6275)"
        next "find the sender: tcpdump -ni any icmp6";

    145/any ICMPV6_DHAAD_REPLY "Home Agent Address Discovery Reply"
        cause "home agents reply to a mobile host (RFC 6275)"
        next "nothing is broken";

    146/any ICMPV6_MOBILE_PREFIX_SOL "Mobile Prefix Solicitation"
        cause "a mobile host asks its home agent for prefixes (RFC 6275)"
        next "find the sender: tcpdump -ni any icmp6";

    147/any ICMPV6_MOBILE_PREFIX_ADV "Mobile Prefix Advertisement"
        cause "a home agent sends a mobile host its prefixes (RFC 6275)"
        next "nothing is broken";

    151/any ICMPV6_MRDISC_ADV "Multicast Router Advertisement"
        cause "a router announces that it forwards multicast (RFC 4286)"
        next "nothing is broken";

    152/any ICMPV6_MRDISC_SOL "Multicast Router Solicitation"
        cause "a switch asks for multicast routers (RFC 4286)"
        next "nothing is broken";

    153/any ICMPV6_MRDISC_TERM "Multicast Router Termination"
        cause "a router stops forwarding multicast (RFC 4286)"
        next "look for another one: tcpdump -ni any icmp6";

    155/any ICMPV6_RPL_CONTROL "RPL Control"
        cause "routing in a low-power network (RFC 6550)"
        next "find the sender: tcpdump -ni any icmp6";

    159/any ICMPV6_MPL_CONTROL "MPL Control"
        cause "multicast in a low-power network (RFC 7731)"
        next "find the sender: tcpdump -ni any icmp6";

    160/any ICMPV6_EXT_ECHO_REQUEST "Extended Echo Request"
        cause "a query about an interface of the host (PROBE, RFC 8335)"
        next "on that host, see whether it answers such queries: sysctl net.ipv4.icmp_echo_enable_probe";

    161/any ICMPV6_EXT_ECHO_REPLY "Extended Echo Reply"
        cause "the reply to an extended echo request (PROBE, RFC 8335); the code is that of ICMP 43"
        next "explain the codes: sockdoc explain icmp 43";
}
