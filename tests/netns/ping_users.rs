//! As an ordinary user: with datagram sockets, with a capability, and with neither.

use std::process::Stdio;

use crate::namespace::{NOBODY, Namespace, binary_for_all};
use crate::pinging::Run;
use crate::support::{program, skip};

/// A namespace, the binary where everybody may run it.
struct Scene {
    namespace: Namespace,
    binary: String,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(test: &str) -> Option<Scene> {
        if program("setpriv").is_none() {
            skip(test, "setpriv is not installed");
            return None;
        }
        let namespace = Namespace::new(test)?;
        let (folder, binary) = binary_for_all();
        Some(Scene {
            namespace,
            binary,
            _folder: folder,
        })
    }

    fn as_nobody(&self, more: &[&str], args: &[&str]) -> Run {
        let mut command = self.namespace.command(NOBODY[0]);
        command.args(&NOBODY[1..]).args(more).arg(&self.binary);
        command.arg("ping").args(args).stdin(Stdio::null());
        Run::of(command)
    }
}

#[test]
fn an_ordinary_user_pings_where_the_group_may() {
    let Some(scene) = Scene::new("an ordinary user who may") else {
        return;
    };
    scene
        .namespace
        .sysctl(&["net.ipv4.ping_group_range=65534 65534"]);
    for target in ["127.0.0.1", "::1"] {
        let run = scene.as_nobody(&[], &["-c", "2", "-i", "0.2", "-W", "1", target]);
        assert_eq!(run.status, Some(0), "{run}");
        assert_eq!(run.counts().received, 2, "{run}");
    }
}

#[test]
fn an_ordinary_user_who_may_not_is_told_the_sysctl_and_the_capability() {
    let Some(scene) = Scene::new("an ordinary user who may not") else {
        return;
    };
    for shown in ["1 0", "7 9"] {
        scene
            .namespace
            .sysctl(&[&format!("net.ipv4.ping_group_range={shown}")]);
        for target in ["127.0.0.1", "::1"] {
            let run = scene.as_nobody(&[], &["-c", "1", "-W", "1", target]);
            assert_eq!(run.status, Some(2), "{run}");
            assert_eq!(run.text, "", "{run}");
            let said = run.errors.replace('\t', " ");
            let setting = "net.ipv4.ping_group_range";
            assert!(said.contains(setting) && said.contains(shown), "{run}");
            assert!(said.contains("setcap cap_net_raw"), "{run}");
            assert!(said.lines().count() <= 2, "{run}");
        }
    }
}

#[test]
fn one_capability_is_enough() {
    let Some(scene) = Scene::new("CAP_NET_RAW") else {
        return;
    };
    let raw = ["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"];
    for target in ["127.0.0.1", "::1"] {
        let run = scene.as_nobody(&raw, &["-c", "2", "-i", "0.2", "-W", "1", target]);
        assert_eq!((run.status, run.counts().received), (Some(0), 2), "{run}");
    }
}

#[test]
fn root_pings_also_where_nobody_may() {
    let Some(scene) = Scene::new("root") else {
        return;
    };
    let run = Run::words(&scene.namespace, "-c 1 -W 1 127.0.0.1");
    assert_eq!((run.status, run.counts().received), (Some(0), 1), "{run}");
}
