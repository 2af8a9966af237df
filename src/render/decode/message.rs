//! Application messages, a line each.

use super::buffer::Buffer;
use super::clock::Clock;
use super::expert::ends;
use super::words::Words;
use crate::capfile::Timestamp;
use crate::stream::Found;

/// `FRAME TIME stream N SOURCE → DESTINATION WORDS`
pub fn line(
    out: &mut Buffer,
    words: &mut Words,
    clock: &mut Clock,
    time: Timestamp,
    found: &Found<'_>,
) {
    out.right(found.frame, 5);
    out.byte(b' ');
    clock.write(out, time);
    out.text(" stream ");
    ends(out, &found.stream);
    out.byte(b' ');
    words.write(out, found);
    out.byte(b'\n');
}
