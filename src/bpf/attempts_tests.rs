use super::super::testing::{Entry, Writer};
use super::*;

/// A kernel with these tracepoints and all that the programs take.
fn kernel(tracepoints: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new();
    let int = writer.add("int", 1 << 24, 4, &[Entry::Word(32)]);
    let [net, possible] = writer.namespace(int);
    let nsproxy = writer.structure("nsproxy", &[("net_ns", net, 40)]);
    let nsproxy = writer.pointer(nsproxy);
    writer.structure("task_struct", &[("nsproxy", nsproxy, 3000)]);
    let common = [("skc_family", int, 16), ("skc_net", possible, 48)];
    let common = writer.structure("sock_common", &common);
    let members = [
        ("__sk_common", common, 0),
        ("sk_protocol", int, 500),
        ("sk_type", int, 502),
    ];
    let sock = writer.structure("sock", &members);
    let flow = writer.structure("flowi_common", &[("flowic_iif", int, 4)]);
    let members = [
        ("__fl_common", flow, 0),
        ("saddr", int, 40),
        ("daddr", int, 44),
    ];
    let flow = writer.structure("flowi4", &members);
    let members = [
        ("si", int, 104),
        ("orig_ax", int, 120),
        ("regs", int, 0),
        ("syscallno", int, 280),
    ];
    let registers = writer.structure("pt_regs", &members);
    let [sock, flow, registers] = [sock, flow, registers].map(|it| writer.pointer(it));
    for name in tracepoints {
        let arguments = match *name {
            "btf_trace_fib_table_lookup" => vec![int, int, flow, int, int],
            "btf_trace_sock_send_length" => vec![int, sock, int, int],
            _ => vec![int, registers, int],
        };
        let arguments: Vec<_> = arguments.into_iter().map(|it| ("", it)).collect();
        writer.tracepoint(name, &arguments);
    }
    writer.helpers(&[
        "map_lookup_elem",
        "map_update_elem",
        "probe_read_user",
        "get_current_pid_tgid",
        "get_current_comm",
        "get_current_task_btf",
    ]);
    writer.bytes()
}

type Make = fn(&Btf<'_>, i32) -> Result<Program, Missing>;
const PROGRAMS: [(&str, Make); 3] = [
    ("btf_trace_fib_table_lookup", lookups),
    ("btf_trace_sock_send_length", sends),
    ("btf_trace_sys_exit", calls),
];

#[test]
#[cfg(all(target_endian = "little", target_arch = "x86_64"))]
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
        // The namespace: net_ns->ns.inum.
        has([0x61, 0x11, 124, 0, 0, 0, 0, 0]);
        // map_lookup_elem, of the map with descriptor 7.
        has([0x18, 0x11, 0, 0, 7, 0, 0, 0]);
        has([0x85, 0, 0, 0, 201, 0, 0, 0]);
        // get_current_comm
        has([0x85, 0, 0, 0, 205, 0, 0, 0]);
        assert_eq!((program.kind, program.attach_type), (26, 23));
        match tracepoint {
            // r1 = flow->daddr
            "btf_trace_fib_table_lookup" => has([0x61, 0x71, 44, 0, 0, 0, 0, 0]),
            // if (u32) ret == -EACCES
            "btf_trace_sock_send_length" => {
                assert!(
                    program
                        .instructions
                        .windows(4)
                        .any(|it| it == (-13_i32).to_le_bytes())
                );
            }
            // r8 = regs->orig_ax; r3 = regs->si
            _ => {
                has([0x61, 0x78, 120, 0, 0, 0, 0, 0]);
                has([0x79, 0x73, 104, 0, 0, 0, 0, 0]);
            }
        }
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

/// A key with this error, `what` and address.
fn key(errno: i32, what: u32, address: &[u8]) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..4].copy_from_slice(&77_u32.to_ne_bytes());
    key[4..8].copy_from_slice(&errno.wrapping_neg().to_ne_bytes());
    key[8..12].copy_from_slice(&4711_u32.to_ne_bytes());
    key[12..16].copy_from_slice(&what.to_ne_bytes());
    key[16..16 + address.len()].copy_from_slice(address);
    key[40..43].copy_from_slice(b"web");
    key
}

#[test]
fn a_lookup_is_read() {
    let attempt = Attempt::read(&key(11, 0, &[10, 0, 0, 1, 10, 0, 0, 9]));
    assert_eq!((attempt.netns, attempt.errno, attempt.pid), (77, 11, 4711));
    assert_eq!(attempt.from(), Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(attempt.to(), Ipv4Addr::new(10, 0, 0, 9));
    assert_eq!(attempt.comm(), b"web");
}

#[test]
fn the_address_of_a_call_is_read_for_both_families_and_no_other() {
    let given = |family: u16, rest: &[u8]| {
        let address = [&family.to_ne_bytes()[..], rest].concat();
        Attempt::read(&key(98, 49, &address)).given()
    };
    let v4 = given(2, &[0x1f, 0x90, 127, 0, 0, 1]);
    assert_eq!(v4, Some("127.0.0.1:8080".parse().unwrap()));
    let mut rest = vec![0x1f, 0x90, 0, 0, 0, 0];
    rest.extend("fd00::7".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(given(10, &rest), Some("[fd00::7]:8080".parse().unwrap()));
    assert_eq!(given(1, b"/run/x"), None);
    assert_eq!(given(0, &[]), None);
}

#[test]
fn an_error_that_has_no_opposite_is_no_panic() {
    let attempt = Attempt::read(&key(i32::MIN, 0, &[]));
    assert_eq!(attempt.errno, i32::MAX);
}
