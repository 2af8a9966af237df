//! Replies as servers send them, and as they should not.

use proptest::prelude::*;

use super::*;

fn query() -> Query {
    Query {
        id: 0x1234,
        name: Name::new("shop.test").unwrap(),
        kind: QueryType::A,
        unchecked: false,
    }
}

/// A reply to [`query`] with these flags and records.
fn reply(flags: u16, records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = query().encode();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    bytes.extend(records.concat());
    bytes
}

/// A record of the name in the question.
fn record(kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 1, 44, 0, length], data].concat()
}

#[test]
fn a_query_is_a_header_and_a_question() {
    let bytes = query().encode();
    let header = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    assert_eq!(
        bytes,
        [&header[..], b"\x04shop\x04test\0\0\x01\0\x01"].concat()
    );
    let unchecked = Query {
        unchecked: true,
        kind: QueryType::Aaaa,
        ..query()
    };
    let bytes = unchecked.encode();
    assert_eq!(bytes[3], 0x10);
    assert_eq!(bytes[bytes.len() - 3], 28);
}

#[test]
fn addresses_come_with_their_ttl_and_by_way_of_an_alias() {
    let alias = record(5, b"\x03www\xc0\x0c");
    // Its name is the alias: a pointer to the data of the record before.
    let at = u8::try_from(query().encode().len() + 12).unwrap();
    let address = [
        &[0xc0, at, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4],
        &[10, 9, 1, 1][..],
    ]
    .concat();
    let got = query().read(&reply(0x8180, &[&alias, &address])).unwrap();
    let (aliases, addresses) = got.follow(&query().name).unwrap();
    assert_eq!(aliases, [&Name::new("www.shop.test").unwrap()]);
    assert_eq!(addresses, [([10, 9, 1, 1].into(), 60)]);
    assert!(!got.is_damaged && !got.truncated && got.rcode == 0);
}

#[test]
fn aliases_in_a_circle_lead_nowhere() {
    let alias = record(5, b"\xc0\x0c");
    let got = query().read(&reply(0x8180, &[&alias])).unwrap();
    assert_eq!(got.follow(&query().name), None);
}

#[test]
fn what_answers_something_else_is_not_the_reply() {
    let good = reply(0x8180, &[]);
    assert_eq!(query().read(&good[..11]), Err(Unusable::Short));
    let other_id = Query { id: 7, ..query() };
    assert_eq!(other_id.read(&good), Err(Unusable::Foreign));
    assert_eq!(query().read(&query().encode()), Err(Unusable::Foreign));
    let other_type = Query {
        kind: QueryType::Aaaa,
        ..query()
    };
    assert_eq!(other_type.read(&good), Err(Unusable::OtherQuestion));
    // A refusal without a question is one all the same.
    let bare = [0x12, 0x34, 0x81, 0x85, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(query().read(&bare).map(|reply| reply.rcode), Ok(5));
}

#[test]
fn a_cut_reply_is_damaged_unless_it_says_that_it_is_cut() {
    let address = record(1, &[10, 0, 0, 1]);
    let mut bytes = reply(0x8180, &[&address, &address]);
    bytes.truncate(bytes.len() - 3);
    let got = query().read(&bytes).unwrap();
    assert_eq!((got.records.len(), got.is_damaged), (1, true));
    bytes[2] |= 2;
    let got = query().read(&bytes).unwrap();
    assert!(got.truncated && !got.is_damaged);
}

#[test]
fn thousands_of_records_are_counted_and_not_kept() {
    let address = record(1, &[10, 0, 0, 1]);
    let all = vec![&address[..]; 4000];
    let got = query().read(&reply(0x8180, &all)).unwrap();
    assert_eq!(
        (got.records.len(), got.left_out),
        (MOST_RECORDS, 4000 - MOST_RECORDS)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(tail in prop::collection::vec(any::<u8>(), 0..300), flags: u16, count: u16) {
        let mut bytes = reply(flags | 0x8000, &[]);
        bytes[6..8].copy_from_slice(&count.to_be_bytes());
        bytes.extend(&tail);
        let got = query().read(&bytes).unwrap();
        prop_assert!(got.records.len() <= MOST_RECORDS);
        if let Some((aliases, addresses)) = got.follow(&query().name) {
            prop_assert!(aliases.len() <= MOST_ALIASES);
            prop_assert!(addresses.len() <= got.records.len());
        }
        let _ = query().read(&tail);
    }
}

#[test]
fn the_size_of_edns_is_found_after_the_answer_and_a_cut_one_is_none() {
    let bytes = query().encode_with_edns(1232);
    assert_eq!(&bytes[10..12], b"\0\x01");
    assert!(bytes.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\0"));
    let mut answer = reply(0x8180, &[&record(1, &[10, 9, 1, 1])]);
    answer[11] = 1;
    answer.extend(b"\0\0\x29\x10\0\0\0\0\0\0\0");
    let got = query().read(&answer).unwrap();
    assert_eq!((got.edns, got.records.len()), (Some(4096), 1));
    for cut in 1..11 {
        let got = query().read(&answer[..answer.len() - cut]).unwrap();
        // What follows the size is not needed.
        let size = (cut <= 6).then_some(4096);
        assert_eq!((got.edns, got.records.len()), (size, 1), "{cut}");
    }
}

#[test]
fn the_name_of_an_address_is_found_by_way_of_an_alias() {
    let address = "10.9.1.1".parse().unwrap();
    let back = Query {
        name: Name::reverse(address),
        kind: QueryType::Ptr,
        ..query()
    };
    assert_eq!(back.name.to_string(), "1.1.9.10.in-addr.arpa");
    let mut bytes = back.encode();
    (bytes[2], bytes[3], bytes[7]) = (0x81, 0x80, 1);
    bytes.extend(record(12, b"\x04shop\x04test\0"));
    let got = back.read(&bytes).unwrap();
    let names: Vec<String> = got
        .pointers(&back.name)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["shop.test"]);
    let six = Name::reverse("fd00::1".parse().unwrap()).to_string();
    assert!(
        six.starts_with("1.0.0.0.") && six.ends_with(".0.0.d.f.ip6.arpa"),
        "{six}"
    );
}
