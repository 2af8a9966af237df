//! Our programs against independent peers written in Python, and our files and filters against those of
//! tcpdump and Wireshark.
//!
//! | file | what it holds |
//! |---|---|
//! | [`peers`] | how the Python programs and ours are run |
//! | [`relay`] | a TCP relay that keeps the bytes that went through it |
//! | [`bytes`] | the two clients and the two servers, byte for byte |
//! | [`raw`] | requests that no client sends, reply for reply |
//! | [`echo`] | the echo programs |
//! | [`encodings`] | the encodings of a content, byte for byte as Python decodes them |
//! | [`captures`] | capture files, written and read beside tshark, tcpdump and capinfos |
//! | [`packets`] | frames of many kinds, for each link type |
//! | [`tls`] | TLS handshakes with `openssl s_server` |
//! | [`tshark`] | `sockdoc decode` beside tshark and what reads capture files |
//! | [`details`] | a frame in full beside the tree of tshark |
//! | [`filters`] | which frames a filter matches, beside tcpdump |
//! | [`classic`] | the same filters as programs for the kernel |

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod captures;
mod classic;
mod details;
mod echo;
mod encodings;
mod filters;
mod packets;
mod peers;
mod raw;
mod relay;
mod screen;
mod tls;
mod tshark;
