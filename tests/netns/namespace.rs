//! A network namespace that ends with its test.

use std::io::{BufRead as _, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

use crate::support::sockets::Listing;
use crate::support::{self, BINARY, finish, launched_by, skip};

/// A namespace with a name of ip-netns(8) that nothing else has; it is deleted when this is dropped.
pub(crate) struct Namespace {
    /// Its name.
    pub(crate) name: String,
}

impl Namespace {
    /// Makes one, with the loopback up; says that the test is skipped where it cannot.
    pub(crate) fn new(test: &str) -> Option<Namespace> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if !support::is_root() {
            skip(test, "a network namespace requires root");
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockdoc-{}-{number}", std::process::id());
        let mut add = Command::new("ip");
        add.args(["netns", "add", &name]).stderr(Stdio::null());
        if !add.status().is_ok_and(|status| status.success()) {
            skip(test, "ip netns add does not work here");
            return None;
        }
        let namespace = Namespace { name };
        namespace.run("ip", &["link", "set", "lo", "up"]);
        // Every ICMP error is sent, and no address of IPv6 is tried out before it is used.
        namespace.sysctl(&[
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv6.icmp.ratelimit=0",
            "net.ipv6.conf.default.accept_dad=0",
        ]);
        Some(namespace)
    }

    /// The file that stands for it.
    pub(crate) fn file(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// What --json calls it.
    pub(crate) fn inode(&self) -> u64 {
        std::fs::metadata(self.file()).expect("a file").ino()
    }

    /// Runs `work` in a thread that is inside; a socket made there stays there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let file = std::fs::File::open(self.file()).expect("a namespace");
                setns(file, CloneFlags::CLONE_NEWNET).expect("entered");
                work()
            });
            match inside.join() {
                Ok(value) => value,
                Err(failure) => std::panic::resume_unwind(failure),
            }
        })
    }

    /// A program inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.file())).arg(program);
        command
    }

    /// Runs a program inside; it must succeed.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = self.command(program);
        command.args(args).stdin(Stdio::null());
        let output = finish(command);
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
        support::stdout(&output)
    }

    /// Sets these parameters of the kernel inside.
    pub(crate) fn sysctl(&self, settings: &[&str]) {
        self.run("sysctl", &[&["-q", "-w"], settings].concat());
    }

    /// Runs these commands of ip(8) inside; all must succeed. Addresses of IPv6 can be used when it
    /// returns.
    pub(crate) fn ip(&self, commands: &[&str]) {
        self.fed("ip", &["-batch", "-"], &commands.join("\n"));
        let added = commands
            .iter()
            .filter_map(|it| it.strip_prefix("addr add "));
        let addresses = added.filter_map(|it| it.split('/').next());
        for address in addresses.filter(|address| address.contains(':')) {
            // The kernel does that a little later, with or without the search for duplicates.
            support::until("the address to be there", || {
                let routes = self.run("ip", &["-6", "route", "show", "table", "local"]);
                let mut routes = routes.lines();
                let route = format!("local {address} dev ");
                routes.any(|line| line.starts_with(&route)).then_some(())
            });
        }
    }

    /// The program inside, without arguments.
    pub(crate) fn launched(&self) -> Command {
        launched_by(&["nsenter", &format!("--net={}", self.file())])
    }

    /// `sockdoc ping` inside.
    pub(crate) fn ping(&self, args: &[&str]) -> Command {
        let mut command = self.launched();
        command.arg("ping").args(args).stdin(Stdio::null());
        command
    }

    /// `sockdoc sockets` inside.
    pub(crate) fn sockdoc(&self, args: &[&str]) -> Command {
        let mut command = self.launched();
        command.arg("sockets").args(args).stdin(Stdio::null());
        command
    }

    /// What `sockdoc sockets --json ARGS...` says inside.
    pub(crate) fn listing(&self, args: &[&str]) -> Listing {
        Listing::of(self.sockdoc(&[&["--json"], args].concat()))
    }

    /// Puts these rules (of nft(8)) in the place of all others. They see what comes in: a packet
    /// that is dropped on its way out would be known to its sender as not sent.
    pub(crate) fn firewall(&self, rules: &str) {
        self.firewall_at("input", rules);
    }

    /// The same for what goes out (`output`), or through (`forward`).
    pub(crate) fn firewall_at(&self, hook: &str, rules: &str) {
        let table = format!(
            "flush ruleset\ntable inet test {{\n chain {hook} {{\n  \
             type filter hook {hook} priority 0; policy accept;\n  {rules}\n }}\n}}\n"
        );
        self.fed("nft", &["-f", "-"], &table);
    }

    /// How many packets the only counter of the rules has counted.
    pub(crate) fn counted_by_the_firewall(&self) -> u64 {
        let rules = self.run("nft", &["list", "ruleset"]);
        let count = rules.split("counter packets ").nth(1);
        let count = count.and_then(|rest| rest.split(' ').next()?.parse().ok());
        count.unwrap_or_else(|| panic!("no counter in {rules}"))
    }

    /// Runs a program inside with this as its input; it must succeed.
    pub(crate) fn fed(&self, program: &str, args: &[&str], text: &str) {
        let mut command = self.command(program);
        command.args(args).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(text.as_bytes()).expect("writes");
        drop(input);
        assert!(child.wait().expect("it ends").success(), "{text}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

/// Starts a program as nobody.
pub(crate) const NOBODY: [&str; 6] = [
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
];

/// A copy of the binary where every user may run it, in a folder that ends with this.
pub(crate) fn binary_for_all() -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let open = || std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open()).expect("set");
    let copy = folder.path().join("sockdoc");
    // Not by this process: what it starts meanwhile would hold the file open for writing.
    let copied = Command::new("cp")
        .args([BINARY.as_ref(), copy.as_os_str()])
        .status();
    assert!(copied.expect("cp runs").success());
    let copy = copy.to_str().expect("text").to_owned();
    (folder, copy)
}

/// Starts a program with pipes, and waits for its first line on standard error: what it says when it is ready.
pub(crate) fn announced(mut command: Command) -> (Child, BufReader<ChildStderr>, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut errors = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("readable");
    (child, errors, line)
}
