//! The table of Unix sockets: `unix_seq_show` in `net/unix/af_unix.c`.

use super::Parsed;
use super::fields::{decimal, hex};
use crate::sockets::{Address, Family, Proto, Socket, State};

/// The longest name: `sun_path`.
const NAME_MAX: usize = 108;
/// `__SO_ACCEPTCON` in the flags: it listens.
const ACCEPTS: u32 = 0x0001_0000;

/// ```text
/// Num       RefCount Protocol Flags    Type St Inode Path
/// 0000000045fc3133: 00000002 00000000 00010000 0001 01 14103953 /run/some path.sock
/// ```
///
/// The kernel writes a name as it is, but `@` for each NUL: whether a name in front of which an `@`
/// stands is abstract or a path that begins with one is unknown; abstract is assumed. A newline
/// in a name comes as it is, too. The kernel writes only rows, so an invalid line
/// belongs to the name above it, as long as that does not get longer than a name can be; otherwise
/// it is skipped. A name that holds a newline and after it a perfect row, inode and all, cannot be
/// distinguished from two rows: only `sock_diag` can.
pub(super) fn parse(text: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut name: Option<Vec<u8>> = None;
    for line in super::rows(text) {
        if let Some((socket, rest)) = row(line) {
            set_name(&mut parsed, name.take());
            name = rest.map(<[u8]>::to_vec);
            parsed.sockets.push(socket);
            continue;
        }
        match &mut name {
            Some(name) if name.len() + 1 + line.len() <= NAME_MAX => {
                name.push(b'\n');
                name.extend_from_slice(line);
            }
            _ => parsed.skipped += 1,
        }
    }
    set_name(&mut parsed, name.take());
    parsed
}

fn set_name(parsed: &mut Parsed, name: Option<Vec<u8>>) {
    let (Some(socket), Some(mut name)) = (parsed.sockets.last_mut(), name) else {
        return;
    };
    name.truncate(NAME_MAX);
    if let Some(first @ b'@') = name.first_mut() {
        *first = 0;
    }
    socket.local = Address::Unix {
        name: name.into(),
        inode: socket.inode,
    };
}

/// A row and its name. Every column is checked for its width, for a name may hold what looks like
/// a row.
fn row(line: &[u8]) -> Option<(Socket, Option<&[u8]>)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (pointer, mut line) = (&line[..colon], &line[colon + 1..]);
    if !matches!(pointer.len(), 8 | 16) || !pointer.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut column = |width: usize| {
        let digits = line.strip_prefix(b" ")?.get(..width)?;
        line = &line[1 + width..];
        hex(digits)
    };
    let _references = column(8)?;
    let protocol = column(8)?;
    let flags = column(8)?;
    let proto = match column(4)? {
        1 => Proto::UnixStr,
        2 => Proto::UnixDgr,
        5 => Proto::UnixSeq,
        _ => return None,
    };
    let state = match (flags, column(2)?) {
        (ACCEPTS, 1..=4) => State::Listen,
        // SS_CONNECTED, and SS_CONNECTING: connected, but not accepted yet.
        (0, 2 | 3) => State::Established,
        (0, 1 | 4) => State::Unconnected,
        _ => return None,
    };
    if protocol != 0 {
        return None;
    }
    let (inode, name) = inode_and_name(line.strip_prefix(b" ")?)?;
    let mut socket = super::blank(proto, Family::Unix, inode);
    socket.state = state;
    socket.local = Address::Unix {
        name: Box::default(),
        inode,
    };
    Some((socket, name))
}

/// The inode is padded to five columns in front; one blank parts it from the name.
fn inode_and_name(line: &[u8]) -> Option<(u32, Option<&[u8]>)> {
    let bare = line.trim_ascii_start();
    let end = bare.iter().position(|&byte| byte == b' ');
    let (digits, rest) = bare.split_at(end.unwrap_or(bare.len()));
    let padding = line.len() - bare.len();
    if padding != 5usize.saturating_sub(digits.len()) || !line[..padding].iter().all(|&b| b == b' ')
    {
        return None;
    }
    Some((decimal(digits)?, rest.get(1..)))
}
