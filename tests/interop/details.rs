//! A frame in full beside tshark's tree.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::{run, stdout};
use crate::tshark::{captures, tshark};

/// The layers that are opened here, by what their first line begins with. tshark opens others too.
const LAYERS: &[&str] = &[
    "Frame ",
    "Ethernet II",
    "IEEE 802.3",
    "802.1Q",
    "IEEE 802.1ad",
    "PPP-over-Ethernet",
    "Point-to-Point Protocol",
    "Linux cooked",
    "Null/Loopback",
    "Internet Protocol Version",
    "Internet Control Message",
    "Transmission Control",
    "User Datagram",
    "Address Resolution",
    "Generic Routing",
    "Virtual eXtensible",
    "MultiProtocol Label",
    "PW Ethernet Control",
    "Generic Network Virt",
    "GPRS Tunneling",
    "Encapsulated Remote",
];

/// The fields of each frame: lines of those layers that are in the frame. What is only known of it has brackets.
fn fields(text: &str) -> BTreeMap<u64, BTreeMap<String, i64>> {
    let mut frames: BTreeMap<u64, BTreeMap<String, i64>> = BTreeMap::new();
    let (mut number, mut is_known) = (0, false);
    for line in text.lines().filter(|line| !line.is_empty()) {
        if !line.starts_with(' ') {
            is_known = LAYERS.iter().any(|layer| line.starts_with(layer));
            if let Some(rest) = line.strip_prefix("Frame ") {
                let digits = rest.split(':').next().unwrap_or_default();
                number = digits.parse().unwrap_or(number);
            }
        }
        let field = line.trim_start();
        // Data is named in every tree where no dissector is known, and they know more of them.
        let names = ["Data (", "Data: ", "Header ("];
        let is_data = names.iter().any(|name| field.starts_with(name));
        let is_dump = field.len() > 6 && field[4..].starts_with("  ") && !line.starts_with(' ');
        if is_known && !field.starts_with('[') && !is_data && !is_dump {
            *frames
                .entry(number)
                .or_default()
                .entry(field.to_owned())
                .or_default() += 1;
        }
    }
    frames
}

#[test]
fn at_least_99_of_100_fields_of_a_frame_in_full_are_tsharks() {
    let Some(tshark) = tshark("at_least_99_of_100_fields_of_a_frame_in_full_are_tsharks") else {
        return;
    };
    let (mut theirs_in_all, mut equal, mut ours_in_all) = (0, 0, 0);
    let mut differences = Vec::new();
    for (name, path) in captures() {
        let output = Command::new(&tshark)
            .env("TZ", "UTC")
            .args(["-n", "-V", "-r"])
            .arg(&path)
            .output()
            .expect("tshark runs");
        let theirs = fields(&String::from_utf8_lossy(&output.stdout));
        let ours = run(&["decode", "--no-app", "-v", &path.display().to_string()]);
        let ours = fields(&stdout(&ours));
        assert_eq!(ours.len(), theirs.len(), "{name}: frames");
        for (number, theirs) in &theirs {
            let ours = &ours[number];
            ours_in_all += ours.values().sum::<i64>();
            for (field, count) in theirs {
                let same = ours.get(field).copied().unwrap_or(0).min(*count);
                theirs_in_all += count;
                equal += same;
                if same < *count {
                    differences.push(format!("{name} {number}: theirs {field}"));
                }
            }
            for field in ours.keys().filter(|field| !theirs.contains_key(*field)) {
                differences.push(format!("{name} {number}: ours {field}"));
            }
        }
    }
    assert!(theirs_in_all > 50_000, "{theirs_in_all} fields");
    let shown = differences
        .iter()
        .take(60)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        equal * 1000 >= theirs_in_all * 990 && equal * 1000 >= ours_in_all * 990,
        "{equal} fields are equal, of {theirs_in_all} of theirs and {ours_in_all} of ours\n{shown}"
    );
}
