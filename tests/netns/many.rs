//! Tens of thousands of sockets in bounded memory. (100,000 and more are tools/bench's.)

use std::io::Read;
use std::process::Stdio;

use crate::namespace::Namespace;
use crate::support::sockets::Holder;
use crate::support::{skip, until};

/// As many pairs as it is told, and then it waits.
const PAIRS: &str = r#"
import resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
pairs = [socket.socketpair() for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
sys.stdin.read()
"#;

const PAIRS_EACH: usize = 8_000;
const HOLDERS: usize = 2;
const ROWS: usize = HOLDERS * PAIRS_EACH * 2;

#[test]
fn a_long_listing_takes_little_memory_for_each_row() {
    let test = "tens of thousands of sockets";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let (_, hard) = crate::support::descriptor_limits(std::process::id());
    if hard < 2 * PAIRS_EACH as u64 + 100 || crate::support::program("python3").is_none() {
        return skip(
            test,
            "the limit of descriptors is too low, or there is no python3",
        );
    }
    let holders: Vec<Holder> = (0..HOLDERS)
        .map(|_| {
            let mut command = namespace.command("python3");
            command.args(["-c", PAIRS, &PAIRS_EACH.to_string()]);
            Holder::spawn(command)
        })
        .collect();
    for holder in &holders {
        assert_eq!(holder.line(), "ready");
    }
    for style in [&["-x"][..], &["-x", "--json"]] {
        let mut command = namespace.sockdoc(style);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("sockdoc starts");
        let mut out = child.stdout.take().expect("piped");
        let mut bytes = vec![0; 4096];
        // It has everything by now, and stops until somebody reads on.
        out.read_exact(&mut bytes).expect("a beginning");
        let peak = until("the peak of its memory", || peak(child.id()));
        out.read_to_end(&mut bytes).expect("the rest");
        assert!(child.wait().expect("it ends").success());
        let listed = String::from_utf8(bytes).expect("text");
        let rows = listed.lines().filter(|line| line.contains("u_str")).count();
        assert_eq!(rows, ROWS);
        // Without the pages of the program itself, which are many in a debug build.
        let each = peak.saturating_sub(24 << 20) / ROWS as u64;
        assert!(each < 600, "{style:?}: {peak} bytes, {each} for each row");
    }
}

fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
