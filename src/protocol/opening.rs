//! What a client sends first.

use super::Protocol;
use super::talk::Plan;
use super::tunnel::authorization;

/// What the client sends before the server says anything; empty where the server speaks first.
pub(super) fn opening(plan: &Plan) -> Vec<u8> {
    if let Some(bytes) = &plan.send {
        return bytes.clone();
    }
    match plan.protocol {
        Protocol::Http => http(plan, "Accept: */*\r\nConnection: close\r\n"),
        Protocol::WebSocket => http(
            plan,
            // The key is any 16 bytes (RFC 6455 section 4.1); nothing here depends on the reply to it.
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: c29ja2RvYyBwcm9iZSBrZXk=\r\n",
        ),
        // The preface and an empty SETTINGS frame (RFC 9113 section 3.4).
        Protocol::Grpc => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        Protocol::Redis => b"PING\r\n".to_vec(),
        // SSLRequest: length 8, 1234.5679 (the protocol's manual, "Message Formats").
        Protocol::Postgres => b"\0\0\0\x08\x04\xd2\x16\x2f".to_vec(),
        // The header of 0-9-1, section 4.2.2.
        Protocol::Amqp => b"AMQP\0\0\x09\x01".to_vec(),
        // CONNECT: protocol MQTT, level 4, clean session, keep alive 10 s, a client without a name.
        Protocol::Mqtt => b"\x10\x0c\0\x04MQTT\x04\x02\0\x0a\0\0".to_vec(),
        Protocol::Mysql
        | Protocol::Smtp
        | Protocol::Imap
        | Protocol::Pop3
        | Protocol::Ftp
        | Protocol::Ssh
        | Protocol::Plain => Vec::new(),
    }
}

/// What a client sends to leave in an orderly way, once the server has answered.
pub(super) fn farewell(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Smtp | Protocol::Ftp | Protocol::Pop3 | Protocol::Redis => b"QUIT\r\n",
        Protocol::Imap => b"a LOGOUT\r\n",
        Protocol::Mqtt => b"\xe0\0",
        _ => b"",
    }
}

fn http(plan: &Plan, headers: &str) -> Vec<u8> {
    // What comes from the user must not end the line.
    let printable = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).collect() };
    let path = printable(&plan.path).replace(' ', "%20");
    let path = if path.starts_with('/') || path.starts_with("http://") {
        path
    } else {
        format!("/{path}")
    };
    let host = printable(&plan.host);
    let user = plan.proxy_user.as_ref();
    let user = user.map_or_else(String::new, |(user, password)| {
        authorization(user, password)
    });
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sockdoc\r\n{headers}{user}\r\n")
        .into_bytes()
}
