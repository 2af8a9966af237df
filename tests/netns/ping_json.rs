//! `--json`: an object for each thing that happens, and a summary whose numbers agree.

use std::time::Duration;

use serde_json::Value;

use crate::namespace::Namespace;
use crate::ping_rows::{self, address_of, asking};
use crate::pinging::Run;
use crate::responder::{Answer, Echo, Responder};
use crate::routed::{Path, ROUTER, SERVER};

/// The objects of a run that tell of one thing, all of the same schema.
fn of<'a>(objects: &'a [Value], event: &str) -> Vec<&'a Value> {
    for object in objects {
        assert_eq!(object["schema"], "sockdoc.ping/1", "{object}");
    }
    let mut all = objects.iter();
    assert!(all.by_ref().any(|object| object["event"] == "summary"));
    assert_eq!(all.next(), None, "nothing comes behind the summary");
    let objects = objects.iter();
    objects.filter(|object| object["event"] == event).collect()
}

#[test]
fn each_hostile_reply_has_its_verdict_and_is_counted_by_it() {
    let test = "verdicts in JSON";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let Some(_host) = ping_rows::host(test, &namespace) else {
        return;
    };
    // The row, the verdict of its reply, and the key of the summary that counts it.
    let rows = [
        ("right", "received", "received"),
        ("payload all 0xff", "forged", "forged"),
        ("send time all 0xff", "forged", "forged"),
        ("sequence never sent", "forged", "forged"),
        ("truncated", "truncated", "corrupted"),
        ("longer than sent", "corrupted", "corrupted"),
        ("corrupt byte", "corrupted", "corrupted"),
        ("other source", "elsewhere", "elsewhere"),
        ("duplicated", "duplicate", "duplicates"),
        ("late", "late", "late"),
    ];
    std::thread::scope(|scope| {
        for (row, verdict, key) in rows {
            for is_v6 in [false, true] {
                let namespace = &namespace;
                scope.spawn(move || has_verdict(namespace, is_v6, row, verdict, key));
            }
        }
    });
}

/// Pings the address of this row.
fn has_verdict(namespace: &Namespace, is_v6: bool, row: &str, verdict: &str, key: &str) {
    let words = format!("--json {} {}", asking(row), address_of(is_v6, row));
    let run = Run::words(namespace, &words);
    assert_eq!(run.status, Some(0), "{row}: {run}");
    let objects = run.objects();
    let replies = of(&objects, "reply");
    let found = replies.iter().filter(|reply| reply["verdict"] == verdict);
    let found: Vec<&&Value> = found.collect();
    let summary = run.summary();
    let expected = if row == "right" { 3 } else { 1 };
    assert_eq!(found.len(), expected, "{row}: {run}");
    assert_eq!(summary[key], expected, "{row}: {run}");
    let counts = verdict == "received";
    assert!(
        found.iter().all(|reply| reply["counts"] == counts),
        "{row}: {run}"
    );
    let good = replies.iter().filter(|reply| reply["counts"] == true);
    assert_eq!(summary["received"], good.count(), "{row}: {run}");
    assert_eq!(summary["sent"], 3, "{row}: {run}");
}

#[test]
fn the_losses_of_a_summary_add_up() {
    let test = "losses in JSON";
    if crate::support::program("nft").is_none() {
        return crate::support::skip(test, "nft is not installed");
    }
    let Some(path) = Path::new(test) else {
        return;
    };
    path.router.firewall_at(
        "forward",
        "icmp type echo-request numgen inc mod 10 3 reject with icmp type host-prohibited\n  \
         icmp type echo-request numgen inc mod 9 5 counter drop",
    );
    let words = format!("--json -c 40 -i 0.005 -W 0.3 {}", SERVER[0]);
    let run = Run::words(&path.client, &words);
    assert_eq!(run.status, Some(0), "{run}");
    let objects = run.objects();
    let summary = run.summary();
    let losses = &summary["losses"];
    let dropped = path.router.counted_by_the_firewall();
    assert_eq!(losses["silent"], dropped, "{run}");
    let refused = &losses["refused"][0];
    assert_eq!(refused["count"], 4, "{run}");
    assert_eq!(refused["from"], ROUTER[0], "{run}");
    assert_eq!(
        (&refused["icmp"]["type"], &refused["icmp"]["code"]),
        (&3.into(), &10.into())
    );
    assert_eq!(refused["message"], "Destination Host Prohibited");
    assert_eq!(losses["total"], dropped + 4, "{run}");
    assert_eq!(summary["received"], 40 - 4 - dropped, "{run}");
    assert_eq!(of(&objects, "refused").len(), 4, "{run}");
    assert_eq!(of(&objects, "lost").len() as u64, dropped, "{run}");
    assert_eq!(of(&objects, "reply").len() as u64, 36 - dropped, "{run}");
}

#[test]
fn percentiles_lie_between_the_least_and_the_most() {
    let test = "percentiles in JSON";
    let Some(namespace) = Namespace::new(test) else {
        return;
    };
    let slow = |echo: &Echo| {
        let takes = Duration::from_millis(20 * u64::from(echo.sequence));
        vec![Answer::right().after(takes)]
    };
    let Some(_host) = Responder::start(test, &namespace, slow) else {
        return;
    };
    let target = ping_rows::address(false, 7);
    let words = format!("--json --percentiles 0,50,99,100 -c 4 -i 0.01 -W 2 {target}");
    let run = Run::words(&namespace, &words);
    let summary = run.summary();
    let least = summary["rtt_min_us"].as_f64().expect("a time");
    let most = summary["rtt_max_us"].as_f64().expect("a time");
    assert!(least >= 20_000.0 && most >= 80_000.0, "{run}");
    for percentile in ["0", "50", "99", "100"] {
        let time = summary["percentiles_us"][percentile].as_f64();
        let time = time.unwrap_or_else(|| panic!("no p{percentile}: {run}"));
        assert!((least..=most).contains(&time), "p{percentile}: {run}");
    }
}

#[test]
fn a_mtu_that_came_back_is_in_its_object() {
    let Some(path) = Path::new("MTU in JSON") else {
        return;
    };
    path.narrow(1300);
    for target in SERVER {
        let words = format!("--json -M do -s 1400 -c 1 -W 0.5 {target}");
        let run = Run::words(&path.client, &words);
        assert_eq!(run.status, Some(1), "{run}");
        let objects = run.objects();
        let refused = of(&objects, "refused");
        assert_eq!(refused[0]["mtu"], 1300, "{run}");
    }
}
