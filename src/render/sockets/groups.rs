//! Multicast memberships: a table and JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::text;
use crate::host::{Namespace, Note};
use crate::render::column::{self, Column, put};
use crate::render::json;
use crate::sockets::multicast::Membership;

/// The groups of some namespaces.
pub type Groups = [(Namespace, Vec<Membership>)];

#[derive(Serialize)]
struct Row<'a> {
    netns: u64,
    #[serde(skip)]
    label: &'a str,
    interface: &'a str,
    group: std::net::IpAddr,
    users: u32,
}

/// The columns; the first one only for several namespaces.
fn columns<'a>() -> [Column<Row<'a>>; 4] {
    [
        Column::text("netns", |out, row| match row.label {
            "" => put(out, Some(row.netns)),
            label => out.push_str(label),
        }),
        Column::text("interface", |out, row| out.push_str(row.interface)),
        Column::text("group", |out, row| put(out, Some(row.group))),
        Column::number("users", |out, row| put(out, Some(row.users))),
    ]
}

fn rows(groups: &Groups) -> Vec<Row<'_>> {
    let rows = groups.iter().flat_map(|(namespace, groups)| {
        groups.iter().map(|it| Row {
            netns: namespace.inode,
            label: &namespace.label,
            interface: &it.interface,
            group: it.group,
            users: it.users,
        })
    });
    rows.collect()
}

/// Writes the table. `all`: with the namespaces.
pub fn write(
    out: &mut impl Write,
    groups: &Groups,
    notes: &[Note],
    all: bool,
    width: Option<u16>,
) -> io::Result<()> {
    let rows = rows(groups);
    let columns = columns();
    let columns = &columns[usize::from(!all)..];
    column::table(columns, &rows).write(out, width)?;
    let plural = if rows.len() == 1 { "" } else { "s" };
    writeln!(out, "{} membership{plural}", rows.len())?;
    text::notes(out, notes, width)
}

/// Writes one document.
pub fn write_json(out: &mut impl Write, groups: &Groups, notes: &[Note]) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        notes: &'a [Note],
        memberships: Vec<Row<'a>>,
    }
    json::line(
        out,
        &Document {
            schema: "sockdoc.sockets/1",
            notes,
            memberships: rows(groups),
        },
    )
}
