//! The hook of the packet filter at which a packet was dropped.

use std::fmt;

/// A hook, as nft(8) names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// As it comes from the network card.
    Ingress,
    /// Before its route is looked up.
    Prerouting,
    /// It is for this host.
    Input,
    /// It is for another host.
    Forward,
    /// This host sends it.
    Output,
    /// It is about to leave.
    Postrouting,
    /// As it goes to the network card.
    Egress,
}

/// The function that calls the rules of each hook.
const CALLERS: &[(&str, Hook)] = &[
    ("__netif_receive_skb_core", Hook::Ingress),
    ("ip_rcv", Hook::Prerouting),
    ("ipv6_rcv", Hook::Prerouting),
    ("ip_sublist_rcv", Hook::Prerouting),
    ("ip6_sublist_rcv", Hook::Prerouting),
    ("ip_list_rcv", Hook::Prerouting),
    ("ipv6_list_rcv", Hook::Prerouting),
    ("ip_local_deliver", Hook::Input),
    ("ip6_input", Hook::Input),
    ("arp_rcv", Hook::Input),
    ("ip_forward", Hook::Forward),
    ("ip6_forward", Hook::Forward),
    ("__ip_local_out", Hook::Output),
    ("__ip6_local_out", Hook::Output),
    ("arp_xmit", Hook::Output),
    ("ip_output", Hook::Postrouting),
    ("ip6_output", Hook::Postrouting),
    ("ip_mc_output", Hook::Postrouting),
    ("__dev_queue_xmit", Hook::Egress),
];

/// The functions that run the rules of a hook.
const RUNNERS: &[&str] = &["nf_hook_slow", "nf_hook_slow_list"];

impl Hook {
    /// The hook at which the kernel was, by the names of the functions of its stack, the innermost first.
    pub fn of<'a>(stack: impl Iterator<Item = &'a str>) -> Option<Hook> {
        let mut callers = stack.skip_while(|name| !RUNNERS.contains(name)).skip(1);
        // One function between them may be of the compiler's making.
        let callers = callers.by_ref().take(2);
        callers
            .filter_map(|caller| CALLERS.iter().find(|(name, _)| *name == caller))
            .map(|(_, hook)| *hook)
            .next()
    }

    /// The hook of this name.
    pub fn by_name(name: &str) -> Option<Hook> {
        let mut hooks = CALLERS.iter().map(|(_, hook)| *hook);
        hooks.find(|hook| hook.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
            Hook::Egress => "egress",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_of_the_rules_tells_the_hook() {
        let hook = |stack: &[&str]| Hook::of(stack.iter().copied());
        let input = [
            "nft_do_chain",
            "nft_do_chain_inet",
            "nf_hook_slow",
            "ip_local_deliver",
            "ip_rcv",
        ];
        assert_eq!(hook(&input), Some(Hook::Input));
        assert_eq!(
            hook(&["nf_hook_slow", "__ip_local_out"]),
            Some(Hook::Output)
        );
        assert_eq!(hook(&["nft_do_chain", "ip_rcv"]), None);
        assert_eq!(hook(&["nf_hook_slow"]), None);
        assert_eq!(hook(&[]), None);
    }
}
