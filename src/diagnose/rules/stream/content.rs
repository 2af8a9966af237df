//! What a stream carried.

use super::{Rule, bytes, found, rule};
use crate::diagnose::Severity;
use crate::stream::Noted;

/// Two versions of the same bytes.
pub static OVERLAP_DIFFERS: Rule = rule(
    "overlap_differs",
    "overlap with other bytes",
    [
        "The same part of the stream was sent twice with different bytes. The receiver may have seen either: \
         this is how intrusion detection is evaded, or a broken middlebox.",
        "Two segments that overlap and differ.",
        "An ordinary retransmission repeats the same bytes.",
        "Compare both with --follow and --overlap first or last.",
    ],
    |fact| match fact.noted {
        Noted::OverlapDiffers => Some(found(
            &OVERLAP_DIFFERS,
            Severity::Warning,
            fact,
            "retransmission with different data: the receiver may have used either version",
        )),
        _ => None,
    },
);

/// Bytes are missing.
pub static GAP: Rule = rule(
    "gap",
    "bytes missing from the capture",
    [
        "The capture does not contain these bytes of the stream. If they were acknowledged, the receiver has them: the \
         capture missed them, the network did not lose them.",
        "A jump in the sequence numbers that nothing fills; the acknowledgments of the other end.",
        "A lost segment is sent again later and fills the gap.",
        "Capture with a larger buffer, and whole packets (snapshot length).",
    ],
    |fact| match fact.noted {
        Noted::Gap {
            bytes: gap,
            acknowledged,
        } => {
            let mut headline = format!(
                "{} of the stream missing from the capture",
                bytes(gap.into())
            );
            if acknowledged {
                headline += ", but acknowledged: the capture missed them";
            }
            Some(found(&GAP, Severity::Warning, fact, headline))
        }
        _ => None,
    },
);

/// Bytes were given up.
pub static GAP_GIVEN_UP: Rule = rule(
    "gap_given_up",
    "missing bytes given up",
    [
        "So much data waited after missing bytes that they were taken for lost.",
        "The data after the gap reached the limit for one stream.",
        "A short gap is filled by a retransmission.",
        "Raise --max-memory if the bytes come later in the capture.",
    ],
    |fact| match fact.noted {
        Noted::GapGivenUp(gap) => Some(found(
            &GAP_GIVEN_UP,
            Severity::Warning,
            fact,
            format!(
                "{} treated as lost: too much data was waiting for them",
                bytes(gap.into())
            ),
        )),
        _ => None,
    },
);

/// Data after the end.
pub static DATA_AFTER_FIN: Rule = rule(
    "data_after_fin",
    "data after FIN",
    [
        "A sender that has said that it sends no more has sent more. The receiver ignores it.",
        "Data with sequence numbers above that of the FIN.",
        "A retransmission of data before the FIN.",
        "Suspect the sender's TCP, or something on the path that forges segments.",
    ],
    |fact| match fact.noted {
        Noted::DataAfterFin(count) => Some(found(
            &DATA_AFTER_FIN,
            Severity::Warning,
            fact,
            format!("{} of data after the sender's FIN", bytes(count.into())),
        )),
        _ => None,
    },
);

/// Not the application protocol.
pub static NO_MESSAGE: Rule = rule(
    "no_message",
    "not an application message",
    [
        "The bytes on this connection are not a message of the application protocol.",
        "The header of the message cannot be read; the text says why.",
        "A connection that began before the capture is searched for the next message instead.",
        "Look at the bytes with --follow. Check --app-port.",
    ],
    |fact| match &fact.noted {
        Noted::NoMessage(why) => Some(found(
            &NO_MESSAGE,
            Severity::Warning,
            fact,
            format!("not an application message: {why}"),
        )),
        _ => None,
    },
);

/// A message without an end.
pub static MESSAGE_CUT: Rule = rule(
    "message_cut",
    "application message cut off",
    [
        "The connection ended before a message was complete.",
        "The header announces more content than came before the end.",
        "A capture that stops in the middle of a connection.",
        "Look at which end closed first, and whether it reported an error.",
    ],
    |fact| match fact.noted {
        Noted::MessageCut => Some(found(
            &MESSAGE_CUT,
            Severity::Warning,
            fact,
            "the stream ends in the middle of an application message",
        )),
        _ => None,
    },
);
