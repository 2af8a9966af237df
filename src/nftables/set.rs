//! Sets and verdict maps (`NFT_MSG_GETSET`, `NFT_MSG_GETSETELEM`).

use serde::{Deserialize, Serialize};

use super::expression::{value, verdict};
use super::{Family, LEN, Verdict, be32, inside, name, opened};
use crate::netlink::{Attributes, Malformed};

/// `NFTA_SET_*`.
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const NAME: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const KEY_LEN: u16 = 5;
}
/// `NFTA_SET_ELEM_LIST_*`.
pub(super) const LIST_TABLE: u16 = 1;
pub(super) const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
/// `NFTA_SET_ELEM_*`.
mod element {
    pub(super) const KEY: u16 = 1;
    pub(super) const DATA: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const KEY_END: u16 = 10;
}
/// `NFT_SET_INTERVAL`.
const INTERVAL: u32 = 4;
/// `NFT_SET_ELEM_INTERVAL_END`, `NFT_SET_ELEM_CATCHALL`.
const END: u32 = 1;
const CATCH_ALL: u32 = 2;
/// `NFTA_DATA_VERDICT`.
const VERDICT: u16 = 2;

/// A set of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Which packets its table sees.
    pub family: Family,
    /// Its table.
    pub table: Box<str>,
    /// Its name; those that a rule holds itself are called `__set0`, `__map0` ...
    pub name: Box<str>,
    /// The length of a key.
    pub key_bytes: u32,
    /// Whether its elements are the bounds of intervals.
    pub intervals: bool,
    /// Its elements.
    pub elements: Vec<Element>,
    /// Whether elements are missing here, or are of a kind that is not understood.
    pub incomplete: bool,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Its value, or the bound of an interval.
    pub key: Vec<u8>,
    /// Whether an interval ends before this value.
    pub is_end: bool,
    /// Of a verdict map: what becomes of the packet.
    pub verdict: Option<Verdict>,
}

impl Set {
    /// Reads one reply without its elements; `None`: not of a family for IP.
    ///
    /// # Errors
    /// When it is shorter than its fixed part.
    pub fn read(payload: &[u8]) -> Result<Option<Set>, Malformed> {
        let Some((family, attributes)) = opened(payload)? else {
            return Ok(None);
        };
        let mut set = Set {
            family,
            table: Box::default(),
            name: Box::default(),
            key_bytes: 0,
            intervals: false,
            elements: Vec::new(),
            incomplete: false,
        };
        for attribute in attributes.map_while(Result::ok) {
            match attribute.kind {
                attribute::TABLE => set.table = name(attribute.payload),
                attribute::NAME => set.name = name(attribute.payload),
                attribute::FLAGS => set.intervals = be32(attribute.payload) & INTERVAL != 0,
                attribute::KEY_LEN => set.key_bytes = be32(attribute.payload),
                _ => {}
            }
        }
        Ok(Some(set))
    }

    /// The name of the set whose elements a reply holds.
    pub fn named_in(payload: &[u8]) -> Option<Box<str>> {
        let mut all = Attributes::new(payload, LEN).map_while(Result::ok);
        let found = all.find(|attribute| attribute.kind == LIST_SET)?;
        Some(name(found.payload))
    }

    /// Adds the elements of one reply, until the set has this many.
    pub fn read_elements(&mut self, payload: &[u8], most: usize) {
        let lists = Attributes::new(payload, LEN).map_while(Result::ok);
        for list in lists.filter(|attribute| attribute.kind == LIST_ELEMENTS) {
            for attribute in Attributes::new(list.payload, 0).map_while(Result::ok) {
                if self.elements.len() >= most {
                    self.incomplete = true;
                    return;
                }
                self.read_element(attribute.payload);
            }
        }
    }

    fn read_element(&mut self, bytes: &[u8]) {
        let flags = inside(bytes, element::FLAGS).map_or(0, be32);
        // Intervals of several fields are not understood.
        if flags & CATCH_ALL != 0 || inside(bytes, element::KEY_END).is_some() {
            self.incomplete = true;
            return;
        }
        let data = inside(bytes, element::DATA);
        self.elements.push(Element {
            key: value(inside(bytes, element::KEY).unwrap_or_default()),
            is_end: flags & END != 0,
            verdict: data.and_then(|data| inside(data, VERDICT)).map(verdict),
        });
    }

    /// Puts the elements in the order in which [`Set::find`] looks for them.
    pub fn sort(&mut self) {
        // Where one interval ends another may begin.
        self.elements
            .sort_by(|a, b| a.key.cmp(&b.key).then(b.is_end.cmp(&a.is_end)));
    }

    /// The element that a value belongs to: its own, or the start of its interval.
    pub fn find(&self, key: &[u8]) -> Option<&Element> {
        let after = self
            .elements
            .partition_point(|element| element.key.as_slice() <= key);
        let found = self.elements[..after].last()?;
        let is_in = if self.intervals {
            !found.is_end
        } else {
            found.key == key
        };
        is_in.then_some(found)
    }
}
