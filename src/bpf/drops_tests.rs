use super::super::testing::{Entry, Writer};
use super::*;

/// A kernel with these drop reasons, or without a reason at the tracepoint.
fn kernel(reasons: &[(&str, u32)], has_reason: bool) -> Vec<u8> {
    let mut writer = Writer::new();
    let int = writer.add("int", 1 << 24, 4, &[Entry::Word(32)]);
    let [_, possible] = writer.namespace(int);
    let dev = writer.structure("net_device", &[("nd_net", possible, 264)]);
    let common = writer.structure("sock_common", &[("skc_net", possible, 48)]);
    let sock = writer.structure("sock", &[("__sk_common", common, 0)]);
    let [dev, sock] = [dev, sock].map(|it| writer.pointer(it));
    let members = [
        ("dev", dev, 16),
        ("sk", sock, 24),
        ("skb_iif", int, 144),
        ("head", int, 200),
        ("network_header", int, 180),
    ];
    let skb = writer.structure("sk_buff", &members);
    let skb = writer.pointer(skb);
    let mut arguments = vec![("", int), ("", skb), ("", int)];
    if has_reason {
        arguments.push(("", int));
    }
    writer.tracepoint("btf_trace_kfree_skb", &arguments);
    writer.enumeration("skb_drop_reason", reasons);
    let helpers = [
        ("BPF_FUNC_map_lookup_elem", 1),
        ("BPF_FUNC_map_update_elem", 2),
        ("BPF_FUNC_probe_read_kernel", 113),
    ];
    writer.enumeration("bpf_func_id", &helpers);
    writer.bytes()
}

const REASONS: [(&str, u32); 3] = [
    ("SKB_DROP_REASON_NO_SOCKET", 3),
    ("SKB_DROP_REASON_NETFILTER_DROP", 8),
    ("SKB_OTHER", 9),
];

const MAPS: Maps<'_> = Maps {
    reasons: 7,
    flows: Some(8),
    ring: None,
};

#[test]
#[cfg(target_endian = "little")]
fn the_program_takes_offsets_reasons_and_helpers_of_this_kernel() {
    let bytes = kernel(&REASONS, true);
    let program = program(&Btf::new(&bytes).unwrap(), &MAPS).unwrap();
    let (found, _) = program.instructions.as_chunks::<8>();
    for instruction in [
        // r1 = skb->dev; r8 = dev->nd_net.net->ns.inum
        [0x79, 0x71, 16, 0, 0, 0, 0, 0],
        [0x61, 0x18, 124, 0, 0, 0, 0, 0],
        // Both maps.
        [0x18, 0x11, 0, 0, 7, 0, 0, 0],
        [0x18, 0x11, 0, 0, 8, 0, 0, 0],
        [0x85, 0, 0, 0, 113, 0, 0, 0],
    ] {
        assert!(found.contains(&instruction), "{instruction:?}");
    }
    // if (u32) reason == NO_SOCKET, NETFILTER_DROP: and no other.
    let reasons: Vec<u8> = found
        .iter()
        .filter(|it| it[..2] == [0x16, 6])
        .map(|it| it[4])
        .collect();
    assert_eq!(reasons, [8, 3]);
    assert_eq!((program.kind, program.attach_type), (26, 23));
}

#[test]
fn a_kernel_without_reasons_is_told_so() {
    let bytes = kernel(&REASONS, false);
    let refused = program(&Btf::new(&bytes).unwrap(), &MAPS).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the kernel has no tracepoint kfree_skb with a reason"
    );
}

#[test]
fn reasons_have_the_names_and_numbers_of_this_kernel() {
    let bytes = kernel(&REASONS, true);
    let reasons = reasons(&Btf::new(&bytes).unwrap());
    assert_eq!(
        reasons,
        [(3, "NO_SOCKET".into()), (8, "NETFILTER_DROP".into())]
    );
    assert_eq!(
        super::reasons(&Btf::new(&Writer::new().bytes()).unwrap()),
        []
    );
}

/// A key of these words, with this protocol and version, addresses and ports.
fn key(protocol: u8, version: u8, addresses: &[u8]) -> [u8; FLOW_KEY] {
    let mut key = [0; FLOW_KEY];
    for (index, word) in [3_u32, 77, 2].into_iter().enumerate() {
        key[index * 4..][..4].copy_from_slice(&word.to_ne_bytes());
    }
    (key[12], key[13]) = (protocol, version);
    key[16..16 + addresses.len()].copy_from_slice(addresses);
    key[50..52].copy_from_slice(&8080_u16.to_be_bytes());
    key
}

#[test]
fn flows_of_both_families_are_read_and_others_are_not() {
    let flow = Flow::read(&key(6, 4, &[10, 0, 0, 1, 10, 0, 0, 2])).unwrap();
    assert_eq!((flow.reason, flow.netns, flow.interface), (3, 77, 2));
    assert_eq!(flow.source, IpAddr::from([10, 0, 0, 1]));
    assert!(!flow.begins);
    assert_eq!(flow.destination, ([10, 0, 0, 2].into(), 8080));
    let v6: Vec<u8> = ["fd00::1", "fd00::2"]
        .iter()
        .flat_map(|it| it.parse::<Ipv6Addr>().unwrap().octets())
        .collect();
    let flow = Flow::read(&key(17, 6, &v6)).unwrap();
    assert_eq!(flow.destination, ("fd00::2".parse().unwrap(), 8080));
    let mut syn = key(6, 4, &[]);
    for (flags, begins) in [(0x02, true), (0xc2, true), (0x12, false), (0x10, false)] {
        syn[14] = flags;
        assert_eq!(Flow::read(&syn).unwrap().begins, begins, "{flags:#x}");
    }
    // ICMP has no ports.
    assert_eq!(Flow::read(&key(1, 4, &[])).unwrap().destination.1, 0);
    assert_eq!(Flow::read(&key(6, 5, &[])), None);
    let mut reason = [0; REASON_KEY];
    reason[0] = 3;
    assert_eq!(Reason::read(&reason).netns, 0);
}
