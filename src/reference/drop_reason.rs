//! Why the kernel drops a packet: the reasons of `enum skb_drop_reason` (`include/net/dropreason-core.h`) that are met
//! most often, in words. A kernel has more of them: their names are in its type information.

/// The start of each name in the kernel.
pub const PREFIX: &str = "SKB_DROP_REASON_";

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropReason {
    /// `NETFILTER_DROP`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub words: &'static str,
    /// When the kernel gives it.
    pub cause: &'static str,
    /// The next thing to try.
    pub next: &'static str,
    /// A command to run; empty: none in particular.
    pub run: &'static str,
}

/// The reason of a name, with or without [`PREFIX`], in any case, with `-` or a space for `_`.
pub fn by_name(name: &str) -> Option<&'static DropReason> {
    let name = plain(name);
    TABLE.iter().find(|reason| reason.name == name)
}

/// Every reason in words.
pub fn all() -> impl Iterator<Item = &'static DropReason> {
    TABLE.iter()
}

/// A name as the kernel writes it, without [`PREFIX`].
pub fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_uppercase().replace(['-', ' '], "_");
    match name.strip_prefix(PREFIX) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// Writes the table: name, words, cause, next step, command.
macro_rules! reasons {
    ($($name:ident $words:literal cause $cause:literal next $next:literal $(run $run:literal)?;)*) => {
        static TABLE: &[DropReason] = &[$(DropReason {
            name: stringify!($name),
            words: $words,
            cause: $cause,
            next: $next,
            run: concat!("", $($run)?),
        }),*];
    };
}

reasons! {
    NOT_SPECIFIED "the kernel gives no reason"
        cause "the code that dropped it does not tell; in ip_error it is a route of type unreachable, blackhole or prohibit"
        next "the function that dropped it tells more than the reason"
        run "sockdoc drops NOT_SPECIFIED";
    NO_SOCKET "no program listens on that port and address"
        cause "no socket is bound to the address and port that the packet is for; TCP answers with a reset, UDP with an ICMP error"
        next "start the server, or find out who sends there; a listener on 127.0.0.1 does not serve other addresses"
        run "sockdoc sockets -l :PORT";
    SOCKET_CLOSE "the socket was closed"
        cause "the packet waited for a socket that its program has closed"
        next "nothing, unless a peer waits for an answer";
    SOCKET_FILTER "a BPF filter of the program itself"
        cause "the program attached a filter to its socket (SO_ATTACH_FILTER, SO_ATTACH_BPF) and the filter rejected the packet"
        next "see the filter: ss -anp --bpf"
        run "sockdoc sockets :PORT";
    SOCKET_RCVBUFF "the receive buffer of the socket is full"
        cause "the program reads more slowly than packets arrive, so they fill its receive buffer"
        next "make the program read faster; for bursts raise SO_RCVBUF, which net.core.rmem_max limits"
        run "sockdoc sockets --problems :PORT";
    SOCKET_BACKLOG "the backlog of the socket is full"
        cause "packets arrive while the program works on the socket in a system call, and more of them wait than its buffers may hold"
        next "larger and fewer calls, or a larger receive buffer"
        run "sockdoc sockets --memory :PORT";
    PKT_TOO_SMALL "shorter than its headers"
        cause "the packet ends before the headers that it claims to have"
        next "capture such packets and look at the sender"
        run "sockdoc capture -x";
    TCP_CSUM "the TCP checksum is wrong"
        cause "the packet was damaged on the way, or a network card or tunnel computes checksums wrongly"
        next "switch off checksum offload on both ends and compare: ethtool -K IF rx off tx off"
        run "sockdoc capture --check-checksums";
    UDP_CSUM "the UDP checksum is wrong"
        cause "the packet was damaged on the way, or a network card or tunnel computes checksums wrongly"
        next "switch off checksum offload on both ends and compare: ethtool -K IF rx off tx off"
        run "sockdoc capture --check-checksums";
    ICMP_CSUM "the ICMP checksum is wrong"
        cause "the packet was damaged on the way"
        next "look at the error counters of the interfaces on the way: ip -s link"
        run "sockdoc capture --check-checksums";
    IP_CSUM "the IP header checksum is wrong"
        cause "the header was damaged on the way, or a device on the path rewrites headers wrongly"
        next "look at the error counters of the interfaces on the way: ip -s link"
        run "sockdoc capture --check-checksums";
    NETFILTER_DROP "a firewall rule of this host"
        cause "a rule or the policy of a chain dropped or rejected the packet (nftables, iptables, conntrack full); the hook tells which chains may have done it"
        next "list the chains of that hook with their counters: nft -a list ruleset; for rules that reject, the sender gets an ICMP error or a reset"
        run "sockdoc diagnose";
    OTHERHOST "not for this host's link address"
        cause "the interface is promiscuous or its switch floods the packet; it was never for this host"
        next "nothing: this is harmless";
    IP_INHDR "an invalid IP header, or its time to live has expired"
        cause "the header is damaged, or this router received the packet with a time to live of 1; many of them may be a routing loop"
        next "look for a loop: the same packet comes again and again"
        run "sockdoc ping --hops HOST";
    IP_RPFILTER "the source address is not routed back to that interface"
        cause "reverse path filtering (rp_filter) found that an answer would leave by another interface"
        next "if paths are asymmetric on purpose: sysctl net.ipv4.conf.all.rp_filter=2, and the same for the interface; otherwise correct the route"
        run "ip route get SOURCE";
    IP_INADDRERRORS "the destination is not an address of this host, which does not forward"
        cause "the packet came to this host for another address, and net.ipv4.ip_forward is 0"
        next "switch forwarding on, or correct the route of the sender: sysctl net.ipv4.ip_forward";
    IP_INNOROUTES "no route to the destination"
        cause "this host is asked to forward the packet, or to accept it, and has no route"
        next "add the route, or find the host that sends its packets here"
        run "ip route get DESTINATION";
    IP_OUTNOROUTES "no route for a packet of this host"
        cause "the route went away while the packet was on its way out"
        next "see the routes and the interfaces that are down: ip route; ip link"
        run "ip route get DESTINATION";
    IP_LOCALNET "an address of 127.0.0.0/8 from outside"
        cause "a packet with a loopback address came by a real interface, which is never allowed unless route_localnet is set"
        next "find the sender: it is misconfigured, or it tries something";
    IP_LOCAL_SOURCE "an address of this host as its source, from outside"
        cause "another host has the same address, or the packet went out and came back (a loop)"
        next "look for the other host: arping -D -I IF ADDRESS"
        run "ip address";
    IP_INVALID_SOURCE "an invalid source address"
        cause "the source is a multicast, broadcast or reserved address"
        next "find the sender by its link address"
        run "sockdoc capture -x";
    IP_INVALID_DEST "an invalid destination address"
        cause "the destination is not an address that a packet can be sent to"
        next "find the sender by its link address"
        run "sockdoc capture -x";
    IP_NOPROTO "no handler for this IP protocol"
        cause "nothing in this host handles the protocol number of the IP header; the sender gets an ICMP error"
        next "load the module of the protocol, or find out who sends it";
    UNHANDLED_PROTO "no handler for this Ethernet type"
        cause "nothing in this host handles the protocol of the frame: LLDP, spanning tree or a missing module"
        next "nothing, unless this host should speak the protocol"
        run "sockdoc capture";
    XFRM_POLICY "an IPsec policy"
        cause "a policy requires IPsec, and the packet came without it"
        next "see the policies: ip xfrm policy";
    PKT_TOO_BIG "larger than the next link, and may not be fragmented"
        cause "the packet must not be fragmented (DF, or IPv6) and does not fit into the MTU of the next link; its sender gets an ICMP error, if no firewall drops that"
        next "allow ICMP type 3 code 4 and ICMPv6 type 2 through every firewall on the path, or clamp the TCP MSS"
        run "sockdoc ping --mtu DESTINATION";
    DUP_FRAG "a fragment that came twice"
        cause "the network duplicated the fragment"
        next "nothing, unless there are many";
    FRAG_REASM_TIMEOUT "a fragment is missing"
        cause "other fragments of the packet arrived and waited too long (30 s) for the missing one"
        next "look for a firewall that drops fragments, or for loss; smaller datagrams need none"
        run "sockdoc ping --mtu DESTINATION";
    NEIGH_FAILED "the next hop does not answer ARP or neighbour discovery"
        cause "the link address of the next hop is unknown: it is down, in another VLAN, or the address is wrong"
        next "check the address and mask of the interface, the cable and the VLAN"
        run "ip neighbour";
    NEIGH_CREATEFAIL "the neighbour table is full"
        cause "no entry could be made for the next hop (gc_thresh3)"
        next "raise net.ipv4.neigh.default.gc_thresh3 and net.ipv6.neigh.default.gc_thresh3"
        run "sockdoc diagnose";
    NEIGH_QUEUEFULL "too many packets wait for the next hop's link address"
        cause "a burst was sent before the next hop had answered ARP or neighbour discovery"
        next "nothing if it happens once; otherwise see why the answer takes long, or raise unres_qlen_bytes"
        run "ip neighbour";
    NEIGH_DEAD "the entry of the next hop was removed"
        cause "the packet waited for a link address, and its entry went away"
        next "nothing, unless it happens again and again"
        run "ip neighbour";
    IPV6DISABLED "IPv6 is disabled on that interface"
        cause "net.ipv6.conf.IF.disable_ipv6 is 1"
        next "set it to 0, or find out who sends IPv6 here"
        run "sysctl net.ipv6.conf.all.disable_ipv6";
    PROTO_MEM "the memory of all sockets of the protocol is used up"
        cause "tcp_mem or udp_mem is reached, which is a limit for the whole host"
        next "find the sockets that hold the memory"
        run "sockdoc sockets --memory";
    NOMEM "the kernel is out of memory"
        cause "memory for the packet could not be allocated"
        next "look for a process that uses too much memory: free -m"
        run "sockdoc sockets --memory";
    CPU_BACKLOG "the backlog of a processor is full"
        cause "packets arrive faster than one processor handles them (net.core.netdev_max_backlog)"
        next "spread them over processors (RSS, RPS), or raise netdev_max_backlog for bursts"
        run "sockdoc diagnose";
    QDISC_DROP "the sending queue dropped it"
        cause "the queueing discipline of the interface is full, or limits the rate, or drops early on purpose"
        next "see the counters of the queue: tc -s qdisc"
        run "sockdoc diagnose";
    QDISC_OVERLIMIT "the sending queue is full"
        cause "packets are sent faster than the interface, or the rate limit of its queue, takes them"
        next "see the counters of the queue: tc -s qdisc"
        run "sockdoc diagnose";
    TC_INGRESS "a traffic control program, on receiving"
        cause "a filter or an action of tc, often a BPF program of a container network, dropped the packet"
        next "list them: tc filter show dev IF ingress; bpftool net";
    TC_EGRESS "a traffic control program, on sending"
        cause "a filter or an action of tc, often a BPF program of a container network, dropped the packet"
        next "list them: tc filter show dev IF egress; bpftool net";
    XDP "an XDP program"
        cause "a BPF program at the network driver dropped the packet"
        next "see which one: ip link show dev IF; bpftool net";
    BPF_CGROUP_EGRESS "a BPF program of a control group"
        cause "a program attached to the control group of the sender drops what its processes send"
        next "systemd's IPAddressDeny= is such a program: systemctl show -p IPAddressDeny UNIT"
        run "bpftool cgroup tree";
    SECURITY_HOOK "a security module"
        cause "SELinux, Smack or another security module denies the packet"
        next "see its log: ausearch -m avc";
    DEV_READY "the interface is down"
        cause "the packet was for an interface, often a tun, veth or bond, that is not up"
        next "set it up: ip link set IF up"
        run "ip link";
    FULL_RING "the queue of a tun or veth interface is full"
        cause "the program behind the interface reads too slowly"
        next "make the reader faster, or raise txqueuelen";
    TCP_FLAGS "flags that make no sense for the state of the connection"
        cause "for example data without ACK, or a FIN to a listener"
        next "a scan or a broken sender: look at the packets"
        run "sockdoc capture";
    TCP_ABORT_ON_DATA "data for a connection that its program has closed"
        cause "the peer still sends after this program closed the socket; it gets a reset"
        next "the program should read to the end, or shut down its sending side first"
        run "sockdoc explain ECONNRESET";
    TCP_ZEROWINDOW "data although the receive window is closed"
        cause "the program does not read, its window is 0, and the peer probes it or sends nevertheless"
        next "find the program that does not read"
        run "sockdoc sockets --problems :PORT";
    TCP_OVERWINDOW "data beyond the receive window"
        cause "the peer sends more than it may; the reader may have stalled"
        next "find the program that does not read"
        run "sockdoc sockets --problems :PORT";
    TCP_OLD_DATA "data that was received before"
        cause "a retransmission that was not needed: an acknowledgement was lost or late, or it is a keepalive probe"
        next "nothing unless there are many; then look for loss in the other direction"
        run "sockdoc diagnose";
    TCP_OLD_SEQUENCE "a segment from before the receive window"
        cause "a duplicate, a late retransmission or a probe of a closed window"
        next "nothing unless there are many"
        run "sockdoc diagnose";
    TCP_INVALID_SEQUENCE "a sequence number outside the receive window"
        cause "a stray segment of an older connection, a stale NAT entry, or a forged one"
        next "look for a NAT device or firewall that forgets connections"
        run "sockdoc capture";
    TCP_INVALID_END_SEQUENCE "a segment that ends beyond the receive window"
        cause "the peer sends more than the window that it was given"
        next "find the program that does not read"
        run "sockdoc sockets --problems :PORT";
    TCP_INVALID_ACK_SEQUENCE "an acknowledgement outside the window"
        cause "a stray segment of an older connection, a stale NAT entry, or a forged one"
        next "look for a NAT device or firewall that forgets connections"
        run "sockdoc capture";
    TCP_OLD_ACK "an acknowledgement that came before"
        cause "segments arrived in another order than they were sent"
        next "nothing unless there are many";
    TCP_RFC7323_PAWS "an old timestamp"
        cause "the timestamp is older than the last one: a late duplicate, or several hosts behind one NAT address"
        next "behind a NAT device: switch TCP timestamps off on the clients, or let it rewrite them"
        run "sockdoc capture";
    TCP_RFC7323_PAWS_ACK "an old timestamp, of an acknowledgement"
        cause "acknowledgements arrived in another order than they were sent"
        next "nothing unless there are many";
    TCP_RFC7323_TW_PAWS "an old timestamp, for a connection in TIME-WAIT"
        cause "a new connection from the same port has an older timestamp: several hosts behind one NAT address"
        next "behind a NAT device: switch TCP timestamps off on the clients, or let it rewrite them";
    TCP_OFOMERGE "data that is in the out-of-order queue already"
        cause "a duplicate of a segment that arrived early"
        next "nothing unless there are many";
    TCP_OFO_QUEUE_PRUNE "out-of-order data given up for want of memory"
        cause "the receive buffer was full while a gap was open, so segments behind the gap were thrown away"
        next "a larger receive buffer (net.ipv4.tcp_rmem), and less loss on the path"
        run "sockdoc sockets --memory";
    TCP_OFO_DROP "out-of-order data without room"
        cause "the receive buffer is full while a gap is open"
        next "a larger receive buffer (net.ipv4.tcp_rmem), and less loss on the path"
        run "sockdoc sockets --memory";
    TCP_LISTEN_OVERFLOW "the accept queue is full"
        cause "the program does not call accept() as fast as connections come"
        next "find out what keeps the program; a longer queue helps only against bursts"
        run "sockdoc sockets --problems :PORT";
    TCP_RESET "a reset of the peer"
        cause "the peer reset the connection; the packet did its work"
        next "if the connection should have lived, ask why the peer closed it"
        run "sockdoc explain ECONNRESET";
    TCP_INVALID_SYN "a SYN in the middle of a connection"
        cause "the peer lost the connection and begins a new one from the same port, or it is forged"
        next "look for a host that restarted";
    TCP_CLOSE "a segment for a connection that is closed"
        cause "the connection ended while the segment was on its way"
        next "nothing";
    TCP_MD5NOTFOUND "no MD5 signature where one is required"
        cause "the socket requires TCP MD5 signatures (BGP) for this peer, and the segment has none"
        next "give both ends the same password";
    TCP_MD5FAILURE "a wrong MD5 signature"
        cause "the two ends have different TCP MD5 passwords"
        next "give both ends the same password";
    TCP_MINTTL "a time to live below the socket's minimum"
        cause "the socket requires a time to live (IP_MINTTL, as BGP does), and the packet came from further away"
        next "see whether the peer is as near as it should be"
        run "sockdoc ping --hops HOST";
    QUEUE_PURGE "it waited in the queue of a socket that was closed"
        cause "each closed socket gives up what is still in its queues"
        next "nothing: this is everyday";
    VXLAN_VNI_NOT_FOUND "a VXLAN network that this host does not have"
        cause "the packet of a tunnel has a network identifier (VNI) for which there is no interface here"
        next "compare the identifiers of both ends: ip -d link show type vxlan";
    NO_TX_TARGET "no port to send it to"
        cause "a bridge, bond or similar interface has no member that could send it"
        next "see the members: bridge link; ip link";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_by_its_name_with_and_without_the_prefix() {
        for name in [
            "NETFILTER_DROP",
            "netfilter_drop",
            "netfilter drop",
            "SKB_DROP_REASON_NETFILTER_DROP",
            " skb_drop_reason_netfilter_drop\n",
        ] {
            assert_eq!(by_name(name).map(|it| it.name), Some("NETFILTER_DROP"));
        }
        assert_eq!(by_name("NETFILTER"), None);
        assert_eq!(plain("skb_drop_reason_new"), "NEW");
    }

    #[test]
    fn words_begin_small_and_end_without_a_point() {
        for reason in all() {
            for text in [reason.words, reason.cause, reason.next] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}", reason.name);
            }
            assert!(
                reason.words.len() <= 72,
                "{}: {}",
                reason.name,
                reason.words
            );
            let same = all().filter(|it| it.name == reason.name);
            assert_eq!(same.count(), 1, "{}", reason.name);
        }
    }
}
