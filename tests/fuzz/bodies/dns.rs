//! What must hold for replies of name servers and for the resolver's files, whatever is in them.

use sockdoc::dns::config::{MOST_USED, host_sources};
use sockdoc::dns::hosts::entries;
use sockdoc::dns::message::MOST_RECORDS;
use sockdoc::dns::{Name, Query, QueryType, ResolverConfig};

/// The input: a datagram to the query for shop.test with the number 0x1234; and a text.
pub(crate) fn dns(data: &[u8]) {
    for kind in [QueryType::A, QueryType::Aaaa] {
        let query = Query {
            id: 0x1234,
            name: Name::new("shop.test").expect("a name"),
            kind,
            unchecked: false,
        };
        if let Ok(reply) = query.read(data) {
            assert!(reply.records.len() <= MOST_RECORDS);
            if let Some((aliases, addresses)) = reply.follow(&query.name) {
                assert!(aliases.len() + addresses.len() <= 2 * reply.records.len());
            }
            for record in &reply.records {
                let text = record.name.to_string();
                assert!(text.chars().all(|c| c.is_ascii_graphic()), "{text:?}");
            }
        }
    }
    for offset in 0..data.len().min(64) {
        if let Some((name, end)) = Name::read(data, offset) {
            assert!(name.wire().len() <= 255 && end <= data.len() && end > offset);
        }
    }
    let text = String::from_utf8_lossy(data);
    let config = ResolverConfig::read(&text, "host.own.test");
    assert!(config.used().len() <= MOST_USED && !config.used().is_empty());
    assert!(config.candidates(&text).len() <= 9);
    let _ = (host_sources(&text), entries(&text, "shop.test"));
}
