//! Reports to attach: one HTML file that needs nothing else, no script and no network.
//!
//! | file | what it writes |
//! |---|---|
//! | [`page`] | the page: its style, its elements, escaped text |
//! | [`redact`] | addresses and names replaced in text |
//! | `chart` | bars over time and the parts of a time, as SVG |
//! | `ladder` | a stream between its two hosts, as SVG |
//! | `findings` | findings |
//! | [`capture`] | the report of a capture |
//! | [`host`] | the report of a host, and that of a connection |

pub mod capture;
mod chart;
mod findings;
pub mod host;
mod ladder;
pub mod page;
pub mod redact;

pub use capture::CaptureReport;
pub use page::Page;
pub use redact::TextRedactor;
