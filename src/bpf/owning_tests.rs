use super::super::testing::{Entry, Writer};
use super::*;

/// A kernel with these tracepoints and all that the programs take.
fn kernel(tracepoints: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new();
    let int = writer.add("int", 1 << 24, 4, &[Entry::Word(32)]);
    let [_, possible] = writer.namespace(int);
    let common = [
        ("skc_daddr", int, 0),
        ("skc_rcv_saddr", int, 4),
        ("skc_dport", int, 12),
        ("skc_family", int, 16),
        ("skc_net", possible, 48),
        ("skc_v6_daddr", int, 56),
        ("skc_v6_rcv_saddr", int, 72),
    ];
    let common = writer.structure("sock_common", &common);
    let members = [("__sk_common", common, 0), ("sk_protocol", int, 500)];
    let sock = writer.structure("sock", &members);
    writer.structure("inet_sock", &[("inet_sport", int, 790)]);
    writer.structure(
        "task_struct",
        &[("group_leader", int, 2000), ("comm", int, 3000)],
    );
    let sock = writer.pointer(sock);
    for name in tracepoints {
        let arguments = [("", int), ("", sock), ("", int), ("", int)];
        writer.tracepoint(name, &arguments);
    }
    writer.helpers(&[
        "map_lookup_elem",
        "map_update_elem",
        "probe_read_kernel",
        "get_current_pid_tgid",
        "get_current_task_btf",
        "ktime_get_ns",
        "get_current_cgroup_id",
    ]);
    writer.bytes()
}

type Make = fn(&Btf<'_>, i32) -> Result<Program, Missing>;
const PROGRAMS: [(&str, Make); 3] = [
    ("btf_trace_inet_sock_set_state", states),
    ("btf_trace_sock_send_length", sends),
    ("btf_trace_sock_recv_length", receives),
];

#[test]
#[cfg(target_endian = "little")]
fn the_programs_take_offsets_and_helpers_of_this_kernel() {
    for (tracepoint, make) in PROGRAMS {
        let bytes = kernel(&[tracepoint]);
        let program = make(&Btf::new(&bytes).unwrap(), 7).unwrap();
        let has = |instruction: [u8; 8]| {
            let (found, _) = program.instructions.as_chunks::<8>();
            assert!(
                found.contains(&instruction),
                "{tracepoint}: {instruction:?}"
            );
        };
        // r1 = sk->skc_net.net->ns.inum
        has([0x79, 0x61, 48, 0, 0, 0, 0, 0]);
        has([0x61, 0x11, 124, 0, 0, 0, 0, 0]);
        // r3 = &inet->inet_sport
        has([0x07, 0x03, 0, 0, 0x16, 3, 0, 0]);
        // The map, its helpers, the control group.
        has([0x18, 0x11, 0, 0, 7, 0, 0, 0]);
        for helper in 201..=207_i32 {
            let [a, b, c, d] = helper.to_le_bytes();
            has([0x85, 0, 0, 0, a, b, c, d]);
        }
        assert_eq!((program.kind, program.attach_type), (26, 23));
    }
}

#[test]
fn a_kernel_that_lacks_a_tracepoint_is_told_so() {
    for (tracepoint, make) in PROGRAMS {
        let bytes = kernel(&[]);
        let refused = make(&Btf::new(&bytes).unwrap(), 7).unwrap_err();
        let name = tracepoint.strip_prefix("btf_trace_").unwrap();
        assert_eq!(
            refused.to_string(),
            format!("the kernel has no tracepoint {name}")
        );
    }
}

#[test]
fn the_keys_of_a_flow_are_those_of_its_socket_with_a_peer_or_without() {
    let flow = |protocol, local: &str, peer: &str| Flow {
        netns: 7,
        protocol,
        local: local.parse().unwrap(),
        peer: peer.parse().unwrap(),
    };
    let tcp = flow(6, "10.0.0.1:80", "10.0.0.2:5000");
    assert_eq!(tcp.keys().collect::<Vec<_>>(), [tcp.key()]);
    let key = tcp.key();
    assert_eq!(key[6..10], [0, 80, 0x13, 0x88]);
    assert_eq!(key[26..32], [0xff, 0xff, 10, 0, 0, 1]);
    let udp = flow(17, "10.0.0.1:53", "10.0.0.2:5000");
    let keys: Vec<_> = udp.keys().collect();
    assert_eq!(keys.len(), 4);
    assert_eq!(keys[2], flow(17, "0.0.0.0:53", "0.0.0.0:0").key());
    assert_eq!(keys[3], flow(17, "[::]:53", "[::]:0").key());
    let six = flow(17, "[fd00::1]:53", "[fd00::2]:5000");
    assert_eq!(six.keys().count(), 3);
}

#[test]
fn a_value_is_read() {
    let mut value = [0; VALUE];
    value[..4].copy_from_slice(&4711_u32.to_ne_bytes());
    value[8..16].copy_from_slice(&9_u64.to_ne_bytes());
    value[16..24].copy_from_slice(&5_u64.to_ne_bytes());
    value[24..27].copy_from_slice(b"web");
    let owner = Owner::read(&value);
    assert_eq!((owner.pid, owner.cgroup, owner.time), (4711, 9, 5));
    assert_eq!(owner.comm(), b"web");
    assert_eq!(Owner::read(&[b'a'; VALUE]).comm().len(), 16);
}
