//! The host, port and path that a text speaks of, to be filled into what is suggested.

/// What was found. Each part consists of characters that mean nothing to a shell: letters, digits,
/// `.`, `-`, `_`, and `:` in an IPv6 address; in a path also `/`, `@` and `+`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// A name or an address: `db.internal`, `::1`.
    pub host: Option<String>,
    /// A port, never 0.
    pub port: Option<u16>,
    /// The path of a Unix socket or a file.
    pub path: Option<String>,
}

impl Place {
    /// The text with the words `HOST`, `PORT` and `PATH` replaced by what was found.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_ascii_uppercase()) {
            let end = rest[at..].find(|c: char| !is_word(c));
            let end = end.map_or(rest.len(), |len| at + len);
            filled.push_str(&rest[..at]);
            let is_apart = !rest[..at].ends_with(is_word);
            let value = is_apart.then(|| self.value(&rest[at..end])).flatten();
            filled.push_str(value.as_deref().unwrap_or(&rest[at..end]));
            rest = &rest[end..];
        }
        filled.push_str(rest);
        filled
    }

    fn value(&self, word: &str) -> Option<String> {
        match word {
            "HOST" => self.host.clone(),
            "PORT" => self.port.map(|port| port.to_string()),
            "PATH" => self.path.clone(),
            _ => None,
        }
    }

    /// Whether all three are known.
    pub(super) fn is_full(&self) -> bool {
        self.host.is_some() && self.port.is_some()
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced_and_what_is_unknown_stays() {
        let place = Place {
            host: Some("::1".to_owned()),
            port: Some(80),
            path: None,
        };
        assert_eq!(
            place.fill("ping HOST:PORT, SO_PORT, HOSTNAME, PATH; ss 'sport = :PORT'"),
            "ping ::1:80, SO_PORT, HOSTNAME, PATH; ss 'sport = :80'"
        );
    }
}
