//! The filter language: the words of tcpdump (`pcap-filter(7)`), with the precedence of libpcap, and a
//! few of our own.
//!
//! | file | what it holds |
//! |---|---|
//! | `token` | the words and signs of a filter, with their places |
//! | `words` | the tables: which words there are, and the names of numbers |
//! | `services` | the names of ports, from the text of `/etc/services` |
//! | `syntax` | the syntax tree, the same for every link type and every back end |
//! | `parse` | from tokens to the tree: `and`, `or`, `not`, what goes without saying |
//! | `primitive` | what a value means under its qualifiers: `src net 10.0.0.0/8` |
//! | `arithmetic` | `tcp[12] & 0xf0 >> 2` |
//! | `compile` | from the tree to tests on the bytes of one link type |
//! | `link` | where in a frame the things are, for each link type |
//! | `program` | the tests, and how they are made on a frame |
//! | `classic` | the tests as instructions of classic BPF, for the kernel, and as tcpdump -d prints them |
//! | `reject` | whether tests exclude each other, so that no frame matches |
//! | `display` | display filters of Wireshark in these words, for an error to name |
//! | `error` | what is wrong with a filter, and where |
//!
//! # What a filter means
//!
//! What libpcap means: `and` and `or` have the same precedence and go from left to right, `not` binds
//! tighter; `port 80 or 443` repeats the `port`; `vlan` moves everything to its right after a tag;
//! `ip`, `host` and `port` look where no tag is; `tcp[...]` is about IPv4 alone. A test that would have
//! to look beyond the captured bytes ends the whole filter: the frame does not match, also under a
//! `not`. A word that is not supported is an error with its place, and never left out.
//!
//! Three words are our own: `stream N` (a frame of that conversation), `app` (a frame that completes an
//! application message), `expert` (a frame that there is a finding about). The requested data is reported
//! with the frame ([`Subject`]).
//!
//! `host-name NAME` and `sni NAME` select what names this host, or one below it, and what comes after that in the same
//! conversation. `mpls`, `pppoes`, `vxlan`, `geneve`, `gtp` and `erspan`, with a number or without, ask what the innermost packet is
//! packed in ([`Subject::packed`]). What stands to their right is about the innermost packet.
//!
//! As in tcpdump, packets behind a VLAN tag, inside a tunnel or after extension headers do not match.
//! [`Filter::compile_inside`] makes a filter match the innermost packet instead.
//!
//! # Back ends
//!
//! The tree is compiled for a link type ([`Filter::compile`]) into tests that are all of the kind
//! "number, relation, number", joined by and, or, not. They are evaluated on a frame ([`Program::matches`]), and are
//! what classic BPF has instructions for ([`Program::classic`]), all but our own words.

mod arithmetic;
mod classic;
mod compile;
mod display;
mod error;
mod link;
mod parse;
mod primitive;
mod program;
mod reject;
mod services;
mod syntax;
mod token;
mod words;

pub use classic::{Classic, Gate, Instruction, MOST_INSTRUCTIONS, View, listing};
pub use error::FilterError;
pub use program::{Program, Subject};
pub use services::Services;

use crate::capfile::LinkType;
use syntax::{Expr, Primitive};

/// Where filters expect the network layer in frames of a link type; `None` if they cannot be filtered.
pub fn network_offset(link: LinkType) -> Option<u32> {
    link::Layout::new(link).map(link::Layout::network)
}

/// A display filter of Wireshark in the words of this language, if it is one and has them.
pub fn from_display_filter(text: &str) -> Option<String> {
    display::translated(text)
}

/// A filter that was understood.
#[derive(Debug, Clone)]
pub struct Filter {
    text: Box<str>,
    /// `None` for an empty filter, which everything matches.
    expr: Option<Expr>,
}

impl Filter {
    /// Reads a filter. Names of ports are looked up in `services`; those of hosts are refused.
    pub fn parse(text: &str, services: &Services) -> Result<Filter, FilterError> {
        let expr = parse::parse(text, services).map_err(|error| error.within(text))?;
        Ok(Filter {
            text: text.into(),
            expr,
        })
    }

    /// The filter for frames of a link type. An error if it asks for something that such frames do
    /// not have, as `ether host` of frames without Ethernet.
    pub fn compile(&self, link: LinkType) -> Result<Program, FilterError> {
        compile::compile(self.expr.as_ref(), link).map_err(|error| error.within(&self.text))
    }

    /// The filter for innermost packets: what is asked for is looked for where no tag, tunnel or extension header
    /// is in front of it any more. It is for a frame that is made of an Ethernet header and such a packet; `vlan`
    /// asks for the tags that the frame had ([`Subject::tags`]) and moves nothing.
    pub fn compile_inside(&self) -> Result<Program, FilterError> {
        compile::compile_inside(self.expr.as_ref()).map_err(|error| error.within(&self.text))
    }

    /// Whether it asks for bytes of the link layer, which are not those of the innermost packet.
    pub fn reads_link(&self) -> bool {
        self.expr.as_ref().is_some_and(Expr::reads_link)
    }

    /// Whether it asks what the innermost packet is packed in.
    pub fn unpacks(&self) -> bool {
        let is_packed = |primitive: &Primitive| matches!(primitive, Primitive::Packed(..));
        self.expr.as_ref().is_some_and(|expr| expr.any(&is_packed))
    }

    /// Whether it asks for VLAN tags.
    pub fn has_vlan(&self) -> bool {
        let is_vlan = |primitive: &Primitive| matches!(primitive, Primitive::Vlan(_));
        self.expr.as_ref().is_some_and(|expr| expr.any(&is_vlan))
    }

    /// How it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether something is asked for that is told with the frame (`stream`, `app`, `expert`, `vxlan`), so that the frame has to be analysed before
    /// it is known whether it matches.
    pub fn needs_analysis(&self) -> bool {
        self.expr.as_ref().is_some_and(Expr::needs_analysis)
    }

    /// Whether everything matches: there is not one word.
    pub fn is_empty(&self) -> bool {
        self.expr.is_none()
    }
}

#[cfg(test)]
mod tests;
