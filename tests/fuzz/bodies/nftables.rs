//! What must hold for the readers of the packet filter whatever bytes a netlink socket gives.

use sockdoc::netlink::Messages;
use sockdoc::nftables::{Chain, Fate, Firewall, Hook, Packet, Rule, Set, fate};

/// The input: messages of netlink, each of which is read as each kind; then packets are sent through what came
/// out.
pub(crate) fn nftables(data: &[u8]) {
    let mut firewall = Firewall::default();
    for message in Messages::new(data).map_while(Result::ok) {
        let payload = message.payload;
        let short = payload.len() < 4;
        let (chain, rule, set) = (
            Chain::read(payload),
            Rule::read(payload),
            Set::read(payload),
        );
        assert_eq!([chain.is_err(), rule.is_err(), set.is_err()], [short; 3]);
        firewall.chains.extend(chain.ok().flatten());
        firewall.rules.extend(rule.ok().flatten());
        if let Some(mut set) = set.ok().flatten() {
            set.read_elements(payload, 8);
            assert!(set.elements.len() <= 8);
            set.sort();
            if let Some(first) = set.elements.first() {
                let _ = set.find(&first.key.clone());
            }
            firewall.sets.push(set);
        }
    }
    for rule in &firewall.rules {
        assert!(firewall.text(rule).chars().count() <= 170);
        assert!(rule.conditions.len() <= 128);
        let _ = (rule.place(), firewall.hooks_to(rule));
    }
    for hook in [
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
        Hook::Output,
        Hook::Postrouting,
    ] {
        let source = Some(([10, 9, 1, 1].into(), 40_000));
        for (source, destination) in [(source, [10, 1, 0, 1]), (None, [10, 0, 0, 7])] {
            let packet = Packet {
                protocol: 6,
                source,
                destination: (destination.into(), 5432),
                input: Some((1, "lo")),
                output: Some((2, "a name that is longer than names are")),
                state: Some(fate::NEW),
                tcp_flags: Some(2),
                user: None,
            };
            let fate = firewall.fate(hook, &packet);
            assert!(!firewall.chains.is_empty() || fate == Fate::Passes);
        }
    }
    let text = serde_json_of(&firewall);
    assert!(text.starts_with('{'));
}

fn serde_json_of(firewall: &Firewall) -> String {
    serde_json::to_string(firewall).expect("it can be written")
}
