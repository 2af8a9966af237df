//! Drops that happen on a healthy host: nobody has to know of them.

/// Where a reason is everyday.
enum At {
    /// Everywhere.
    Anywhere,
    /// In these functions.
    In(&'static [&'static str]),
    /// In the functions whose names begin like this.
    Under(&'static [&'static str]),
}

/// Measured on idle and busy hosts: closed connections, replies to a raw ping, packets for other hosts, multicast that
/// nobody joined, sockets that end.
const EVERYDAY: &[(&str, At)] = &[
    // What still lay in the queues of a socket when it was closed.
    ("QUEUE_PURGE", At::Anywhere),
    ("SOCKET_CLOSE", At::Anywhere),
    // Seen because an interface is promiscuous or a bridge floods it.
    ("OTHERHOST", At::Anywhere),
    // Each raw socket gets its own copy of an echo reply; this one is for ping sockets.
    ("NO_SOCKET", At::In(&["ping_rcv"])),
    ("UNIX_DISCONNECT", At::Anywhere),
    ("UNIX_SKIP_OOB", At::Anywhere),
    (
        "NOT_SPECIFIED",
        At::In(&[
            "ip6_mc_input",
            "udp_destruct_common",
            "tcp_rcv_state_process",
            "__rtnl_unlock",
            "netlink_broadcast_filtered",
            "netlink_unicast",
            "igmp_rcv",
            "ipv6_mc_input",
        ]),
    ),
    ("NOT_SPECIFIED", At::Under(&["virtio_transport_", "unix_"])),
];

/// Whether a drop for this reason in this function happens on a healthy host.
pub fn is_everyday(reason: &str, function: Option<&str>) -> bool {
    EVERYDAY.iter().any(|(name, at)| {
        *name == reason
            && match at {
                At::Anywhere => true,
                At::In(functions) => function.is_some_and(|it| functions.contains(&it)),
                At::Under(starts) => {
                    function.is_some_and(|it| starts.iter().any(|start| it.starts_with(start)))
                }
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_is_everyday_in_one_place_and_not_in_another() {
        assert!(is_everyday("NO_SOCKET", Some("ping_rcv")));
        assert!(!is_everyday("NO_SOCKET", Some("tcp_v4_rcv")));
        assert!(!is_everyday("NO_SOCKET", None));
        assert!(is_everyday(
            "NOT_SPECIFIED",
            Some("virtio_transport_recv_pkt")
        ));
        assert!(!is_everyday("NOT_SPECIFIED", Some("ip_error")));
        assert!(is_everyday("QUEUE_PURGE", None));
        assert!(!is_everyday("NETFILTER_DROP", Some("nft_do_chain")));
    }
}
