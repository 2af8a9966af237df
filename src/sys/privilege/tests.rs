use std::fs;
use std::thread;

use super::*;

/// The fields of this thread's /proc status that are sets of capabilities, and `NoNewPrivs`.
fn status(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"))
        .unwrap();
    u64::from_str_radix(value, 16).unwrap()
}

/// Runs a test in a thread of its own: what it gives up is gone for that thread only.
fn apart(test: impl FnOnce() + Send + 'static) {
    thread::spawn(test).join().unwrap();
}

/// All that this thread could have, if it is root's.
fn may() -> Set {
    State::get().unwrap().permitted
}

#[test]
fn what_is_dropped_is_gone_from_every_set_and_for_the_threads_that_start_then() {
    apart(|| {
        drop_all().unwrap();
        let check = || {
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status(set), 0, "{set}");
            }
            assert_eq!(status("NoNewPrivs"), 1);
        };
        check();
        apart(check);
        with(&[Capability::NetRaw], || assert_eq!(status("CapEff"), 0));
    });
}

#[test]
fn the_bounding_set_is_emptied_by_who_may() {
    apart(|| {
        let may = may().and(Set::of(&[Capability::SetPcap])) != Set::EMPTY;
        let before = status("CapBnd");
        drop_all().unwrap();
        assert_eq!(status("CapBnd"), if may { 0 } else { before });
    });
}

#[test]
fn each_need_keeps_what_the_table_says_and_has_nothing_in_effect() {
    for row in KEPT {
        let expected: Set = KEPT
            .iter()
            .filter(|other| other.need == row.need)
            .fold(Set::EMPTY, |set, other| {
                set.or(Set::of(&[other.capability]))
            });
        apart(move || {
            let expected = expected.and(may());
            keep(&[row.need]).unwrap();
            assert_eq!(Set(status("CapPrm")), expected, "{row:?}");
            assert_eq!(status("CapEff"), 0, "{row:?}");
            assert_eq!(status("CapInh"), 0, "{row:?}");
            assert_eq!(status("CapAmb"), 0, "{row:?}");
            assert_eq!(status("NoNewPrivs"), 1, "{row:?}");
            let wanted = Set::of(&[row.capability]).and(expected);
            with(&[row.capability, Capability::NetRaw], || {
                assert_eq!(Set(status("CapEff")), wanted, "{row:?}");
            });
            assert_eq!(status("CapEff"), 0, "{row:?}");
            drop_all().unwrap();
            assert_eq!(status("CapPrm"), 0, "{row:?}");
        });
    }
}

#[test]
fn the_numbers_are_the_kernels() {
    // linux/capability.h; each of the two halves has 32 of them.
    let set = Set::of(&[Capability::DacReadSearch, Capability::SysAdmin]);
    assert_eq!(set.0, 0x0020_0004);
    assert_eq!(set.without(Capability::SysAdmin).0, 4);
    apart(|| assert_eq!(may().0, status("CapPrm")));
}
