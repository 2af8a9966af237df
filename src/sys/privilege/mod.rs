//! Privileges: what this process may do beyond the rights of its caller, and for how long.
//!
//! The order is the same in every command:
//!
//! 1. [`begin`]: nothing is in effect that the caller does not have, so named files are opened with
//!    the caller's rights;
//! 2. sockets and namespaces are opened, each [`with`] the capability that it needs;
//! 3. [`drop_all`], or [`keep`] what the table [`KEPT`] lists, before a thread starts: capset(2) is
//!    about one thread, and a thread starts with what its parent has.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | the three steps |
//! | [`capabilities`] | sets of capabilities, capget(2) and capset(2) |
//! | [`kept`] | what a command keeps after its sockets are open |

pub mod capabilities;
pub mod kept;

use std::io;

use nix::sys::prctl::{set_keepcaps, set_no_new_privs};
use nix::unistd::{getegid, geteuid, getgid, getuid, setresgid, setresuid};

use crate::error::{Error, Kind, Result};

pub use capabilities::Capability;
use capabilities::{Set, State};
pub use kept::{KEPT, Kept, Need};

/// Takes everything out of effect that the program file brought and the caller does not have: its
/// capabilities (setcap(8)), and the user of a setuid program. [`with`] brings single capabilities
/// back. Root (user 0) keeps what it has until [`keep`] or [`drop_all`].
///
/// # Errors
/// When the kernel refuses to take rights away.
pub fn begin() -> Result<()> {
    become_caller()
        .and_then(|()| {
            let mut state = State::get()?;
            let before = state;
            state.inheritable = Set::EMPTY;
            if !getuid().is_root() {
                state.effective = Set::EMPTY;
                // It is of use only for files that the caller may not open.
                state.permitted = state.permitted.without(Capability::DacOverride);
            }
            state.put_if_changed(&before)
        })
        .map_err(|error| failure(&error))
}

/// As the caller, without losing the capabilities that a setuid program has.
fn become_caller() -> io::Result<()> {
    let (user, group) = (getuid(), getgid());
    if group != getegid() {
        setresgid(group, group, group)?;
    }
    if user != geteuid() {
        set_keepcaps(true)?;
        setresuid(user, user, user)?;
        set_keepcaps(false)?;
    }
    Ok(())
}

/// Does one thing with these capabilities in effect in this thread, as far as the process has them.
/// Without them the work is done all the same: its own error says what is missing.
pub fn with<T>(wanted: &[Capability], work: impl FnOnce() -> T) -> T {
    let _raised = Raised::new(wanted);
    work()
}

/// Whether this thread has all of these, in effect or to be put in effect by [`with`].
pub fn holds(wanted: &[Capability]) -> bool {
    let wanted = Set::of(wanted);
    State::get().is_ok_and(|state| wanted.and(state.permitted) == wanted)
}

/// Capabilities that are in effect until this is dropped.
struct Raised {
    before: Option<State>,
}

impl Raised {
    fn new(wanted: &[Capability]) -> Raised {
        let raise = || {
            let before = State::get().ok()?;
            let usable = Set::of(wanted).and(before.permitted);
            let mut state = before;
            state.effective = before.effective.or(usable);
            (state != before && state.put().is_ok()).then_some(before)
        };
        Raised { before: raise() }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Less is always allowed.
            let _ = before.put();
        }
    }
}

/// Gives up every capability, and forever: no program that this process could start gets any.
///
/// # Errors
/// When the kernel refuses to take rights away.
pub fn drop_all() -> Result<()> {
    keep(&[])
}

/// The same, but keeps what the table [`KEPT`] has for these needs, for [`with`]. Call [`drop_all`]
/// when they are met.
///
/// # Errors
/// When the kernel refuses to take rights away.
pub fn keep(needs: &[Need]) -> Result<()> {
    with(&[Capability::SetPcap], capabilities::empty_bounding_set);
    set_no_new_privs()
        .map_err(io::Error::from)
        .and_then(|()| {
            let before = State::get()?;
            let state = State {
                effective: Set::EMPTY,
                permitted: before.permitted.and(kept::for_needs(needs)),
                inheritable: Set::EMPTY,
            };
            state.put_if_changed(&before)
        })
        .map_err(|error| failure(&error))
}

fn failure(error: &io::Error) -> Error {
    Error::os(Kind::CannotRun, "drop privileges", error)
        .next("a sandbox refuses capset(2) or prctl(2): allow both, or start without privileges")
}

#[cfg(test)]
mod tests;
