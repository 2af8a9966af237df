use super::*;
use crate::bpf::assembler::{Assembler, Reg};
use crate::bpf::task_file;

/// The running kernel, unless this process may not load a program or the kernel lacks a feature.
fn kernel() -> Option<Kernel<'static>> {
    let kernel = Kernel::running();
    (nix::unistd::Uid::effective().is_root() && kernel.btf.exists()).then_some(kernel)
}

fn ends_at_once() -> Vec<u8> {
    let mut code = Assembler::default();
    code.set(Reg::R0, 0);
    code.exit();
    code.finish()
}

#[test]
fn without_btf_nothing_is_loaded() {
    let kernel = Kernel {
        btf: Path::new("/nowhere/vmlinux"),
        call: |_, _| panic!("it was called"),
    };
    let refused = kernel.fit(task_file::program).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the kernel has no BTF: No such file or directory (ENOENT)"
    );
}

#[test]
fn a_file_that_is_not_btf_is_told() {
    let kernel = Kernel {
        btf: Path::new("/proc/self/cmdline"),
        call: |_, _| panic!("it was called"),
    };
    let refused = kernel.fit(task_file::program).unwrap_err();
    assert_eq!(refused.to_string(), "unreadable BTF at byte 0");
}

#[test]
fn who_lacks_the_right_is_asked_for_no_log() {
    let kernel = Kernel {
        btf: Path::new(""),
        call: |command, attributes| {
            assert_eq!(command, Command::ProgLoad);
            assert_eq!(attributes[3..5], [0, 0], "a log was asked for");
            Err(io::Error::from_raw_os_error(libc::EPERM))
        },
    };
    let program = Program {
        name: "test",
        kind: 26,
        attach_type: 28,
        attach_to: crate::bpf::btf::TypeId(1),
        instructions: ends_at_once(),
    };
    let refused = kernel.iterate(&program, |_| ()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the kernel refused the BPF program: Operation not permitted (EPERM)"
    );
}

/// What the running kernel says to the program of the owners with other instructions.
fn refusal(instructions: Vec<u8>) -> Option<String> {
    let kernel = kernel()?;
    let program = Program {
        instructions,
        ..kernel.fit(task_file::program).ok()?
    };
    let refused = kernel.iterate(&program, |_| ()).unwrap_err();
    Some(refused.to_string())
}

#[test]
fn the_verifier_says_why_it_refuses() {
    let mut code = Assembler::default();
    code.copy(Reg::R0, Reg::R8);
    code.exit();
    if let Some(refusal) = refusal(code.finish()) {
        assert!(refusal.contains("R8 !read_ok"), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn a_helper_that_the_kernel_does_not_know_is_refused() {
    let mut code = Assembler::default();
    code.call(99_999);
    code.exit();
    if let Some(refusal) = refusal(code.finish()) {
        assert!(refusal.contains("99999"), "{refusal}");
    }
}

#[test]
fn a_program_that_writes_nothing_ends() {
    let Some(kernel) = kernel() else { return };
    let Ok(program) = kernel.fit(task_file::program) else {
        return;
    };
    let program = Program {
        instructions: ends_at_once(),
        ..program
    };
    let mut written = 0;
    kernel
        .iterate(&program, |piece| written += piece.len())
        .unwrap();
    assert_eq!(written, 0);
}

#[test]
fn the_end_of_a_log_is_short_and_one_line() {
    assert_eq!(end_of(b"\0rest"), "");
    let log = b"0: (b7) r0 = 0\nR8 !read_ok\nprocessed 2 insns (limit 1000000)\n\n\0\0";
    assert_eq!(end_of(log), "0: (b7) r0 = 0; R8 !read_ok");
    let endless = "x\n".repeat(10) + &"y".repeat(1000);
    let end = end_of(endless.as_bytes());
    assert!(end.starts_with("x; x; x; yyy"), "{end}");
    assert_eq!(end.chars().count(), LOG_CHARACTERS);
}

#[test]
fn a_process_is_known_by_what_it_connects_sends_and_receives() {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::os::unix::fs::MetadataExt as _;

    let Some(kernel) = kernel() else { return };
    let owning = match Owning::open(&kernel) {
        Ok(owning) => owning,
        // What it lacks it says; what it refuses is a mistake of ours, unless it refuses all.
        Err(Refused::Missing(_) | Refused::NoBtf(_)) => return,
        Err(Refused::Load(error, _)) if error.raw_os_error() == Some(libc::EPERM) => return,
        Err(refused) => panic!("{refused}"),
    };
    let inode = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    let pid = |protocol, local: SocketAddr, peer: SocketAddr| {
        let flow = crate::bpf::owning::Flow {
            netns: u32::try_from(inode).unwrap(),
            protocol,
            local,
            peer,
        };
        owning.owner(&flow).map(|owner| owner.pid)
    };
    let own = Some(std::process::id());
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(host) else {
            continue;
        };
        let server = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(server).unwrap();
        let client = stream.local_addr().unwrap();
        assert_eq!(pid(6, client, server), own, "{host}: connected");
        assert_eq!(pid(6, server, client), None, "{host}: not accepted");
        let (mut accepted, _) = listener.accept().unwrap();
        stream.write_all(b"x").unwrap();
        accepted.read_exact(&mut [0]).unwrap();
        assert_eq!(pid(6, server, client), own, "{host}: received");
        drop((listener, stream, accepted));
        assert_eq!(pid(6, client, server), own, "{host}: closed");

        // Nobody listens there now.
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(server),
            socket2::Type::STREAM,
            None,
        );
        let socket = socket.unwrap();
        let any: SocketAddr = host.parse().unwrap();
        socket.bind(&any.into()).unwrap();
        let client = socket.local_addr().unwrap().as_socket().unwrap();
        socket.connect(&server.into()).unwrap_err();
        drop(socket);
        assert_eq!(pid(6, client, server), own, "{host}: refused");

        let (to, from) = (
            UdpSocket::bind(host).unwrap(),
            UdpSocket::bind(host).unwrap(),
        );
        let (receiver, sender) = (to.local_addr().unwrap(), from.local_addr().unwrap());
        from.send_to(b"x", receiver).unwrap();
        to.recv(&mut [0]).unwrap();
        assert_eq!(pid(17, sender, receiver), own, "{host}: a datagram sent");
        assert_eq!(
            pid(17, receiver, sender),
            own,
            "{host}: a datagram received"
        );
    }
}
