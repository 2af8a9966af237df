//! Where a capture was taken: from the two halves of the handshake's time, and from the times to live.

/// Where the capture point is on the path of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapturePoint {
    /// At the client, or close to it.
    NearClient,
    /// At the server, or close to it.
    NearServer,
    /// In between, some way from both.
    Between,
    /// Both ends are on the network of the capture point, or on its host.
    OneNetwork,
    /// Not known: the handshake was not captured, or what it says is contradictory.
    Unknown,
}

/// What is known of one end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Distance {
    /// From the capture point to it and back, in nanoseconds.
    pub(super) time: Option<i64>,
    /// The time to live of its first packet.
    pub(super) ttl: Option<u8>,
}

/// Shorter handshakes are those of one network: what their halves take is the hosts' time.
const LEAST: i64 = 1_000_000;
/// An end is near if the other one is this many times as far.
const TIMES: i64 = 8;

impl CapturePoint {
    /// From what is known of both ends.
    pub(super) fn of(client: Distance, server: Distance) -> CapturePoint {
        let by_ttl = match (client.ttl.map(hops), server.ttl.map(hops)) {
            (Some(0), Some(0)) => CapturePoint::OneNetwork,
            (Some(0), Some(_)) => CapturePoint::NearClient,
            (Some(_), Some(0)) => CapturePoint::NearServer,
            (Some(_), Some(_)) => CapturePoint::Between,
            _ => CapturePoint::Unknown,
        };
        let (Some(to_client), Some(to_server)) = (client.time, server.time) else {
            return CapturePoint::Unknown;
        };
        if to_client.saturating_add(to_server) < LEAST {
            return by_ttl;
        }
        let by_time = if to_client.saturating_mul(TIMES) <= to_server {
            CapturePoint::NearClient
        } else if to_server.saturating_mul(TIMES) <= to_client {
            CapturePoint::NearServer
        } else {
            CapturePoint::Between
        };
        match (by_time, by_ttl) {
            (CapturePoint::NearClient, CapturePoint::NearServer)
            | (CapturePoint::NearServer, CapturePoint::NearClient) => CapturePoint::Unknown,
            _ => by_time,
        }
    }

    /// The word for programs.
    pub fn word(self) -> Option<&'static str> {
        match self {
            CapturePoint::NearClient => Some("client"),
            CapturePoint::NearServer => Some("server"),
            CapturePoint::Between => Some("between"),
            CapturePoint::OneNetwork => Some("network"),
            CapturePoint::Unknown => None,
        }
    }
}

/// How many routers a packet has passed. Systems begin with a time to live of 64, 128 or 255.
fn hops(ttl: u8) -> u8 {
    match ttl {
        0..=64 => 64 - ttl,
        65..=128 => 128 - ttl,
        _ => 255 - ttl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_the_handshake_and_the_times_to_live_tell_where_the_capture_was_taken() {
        let at = |micros: i64, ttl| Distance {
            time: Some(micros * 1000),
            ttl: Some(ttl),
        };
        for (client, server, place) in [
            (at(100, 64), at(20_000, 52), CapturePoint::NearClient),
            (at(100, 64), at(20_000, 64), CapturePoint::NearClient),
            (at(20_000, 118), at(90, 64), CapturePoint::NearServer),
            (at(9_000, 60), at(11_000, 113), CapturePoint::Between),
            (at(20, 64), at(30, 64), CapturePoint::OneNetwork),
            (at(300, 64), at(300, 63), CapturePoint::NearClient),
            (at(300, 250), at(300, 60), CapturePoint::Between),
            // The server is near by time, and far by its time to live.
            (at(20_000, 64), at(90, 50), CapturePoint::Unknown),
            (Distance::default(), at(90, 64), CapturePoint::Unknown),
        ] {
            assert_eq!(
                CapturePoint::of(client, server),
                place,
                "{client:?} {server:?}"
            );
        }
    }
}
