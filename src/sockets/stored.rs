//! How the parts of a sample are written to a file, and read back within bounds.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

/// The longest name or text that is read, in bytes: a command line fits.
pub const MOST_TEXT: usize = 2 * 1024 * 1024;

/// The longest list that is read.
pub const MOST_ITEMS: usize = 4_000_000;

/// A list of at most [`MOST_ITEMS`].
pub(crate) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST_ITEMS} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            // What the file says of its length is not believed.
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MOST_ITEMS {
                    return Err(A::Error::invalid_length(MOST_ITEMS + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(Items(PhantomData))
}

/// Any bytes as text: those that are not UTF-8 as `\x80`, a backslash as two.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Error, MOST_TEXT, Serializer, decoded, encoded};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encoded(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<[u8]>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MOST_TEXT {
            return Err(D::Error::custom("a name is too long"));
        }
        decoded(&text).map(Vec::into_boxed_slice).ok_or_else(|| {
            D::Error::custom("a backslash is followed by neither x.. nor another one")
        })
    }
}

/// The same where there may be none.
pub(crate) mod maybe_bytes {
    use super::{Deserialize, Deserializer, Serializer, bytes, encoded};

    #[expect(clippy::ref_option, reason = "so serde calls it")]
    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Box<[u8]>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&encoded(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Box<[u8]>>, D::Error> {
        #[derive(Deserialize)]
        struct Stored(#[serde(with = "bytes")] Box<[u8]>);

        let stored = Option::<Stored>::deserialize(deserializer)?;
        Ok(stored.map(|stored| stored.0))
    }
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                text.push('\\');
            }
            text.push(c);
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest {
            [b'\\', after @ ..] => {
                bytes.push(b'\\');
                rest = after;
            }
            [b'x', high, low, after @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = digit(*high)? * 16 + digit(*low)?;
                bytes.push(u8::try_from(byte).ok()?);
                rest = after;
            }
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decoded(&encoded(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn half_an_escape_is_refused() {
        for text in ["\\", "\\x", "\\x8", "\\xg0", "\\n", "\\x+1"] {
            assert_eq!(decoded(text), None, "{text}");
        }
        assert_eq!(decoded("a\\\\\\xff").unwrap(), b"a\\\xff");
    }
}
