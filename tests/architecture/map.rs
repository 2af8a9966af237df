//! The table of rooms in the documentation of `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};

/// The rooms by name.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) rooms: BTreeMap<String, Room>,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Room {
    /// Its description begins with `pure:`.
    pub(super) pure: bool,
    pub(super) may_import: BTreeSet<String>,
    pub(super) line: usize,
}

impl Map {
    /// Reads the rows `//! | [`room`] | what it is | what it may import |`.
    pub(super) fn parse(text: &str) -> Result<Map, String> {
        let mut rows = Vec::new();
        for (line, row) in text.lines().enumerate() {
            let Some(cells) = row.trim().strip_prefix("//! | [") else {
                continue;
            };
            let cells: Vec<&str> = cells
                .trim_end_matches('|')
                .split('|')
                .map(str::trim)
                .collect();
            let [room, what, imports] = cells[..] else {
                return Err(format!("line {}: a row of rooms has three cells", line + 1));
            };
            let name = quoted(room).pop().ok_or("a room without a name")?;
            let name = name.trim_start_matches("mod@").to_owned();
            rows.push((name, what.starts_with("pure"), imports, line + 1));
        }
        if rows.is_empty() {
            return Err("no table of rooms".to_owned());
        }
        let names: BTreeSet<String> = rows.iter().map(|row| row.0.clone()).collect();
        let pure: Vec<String> = rows.iter().filter(|r| r.1).map(|r| r.0.clone()).collect();
        let mut rooms = BTreeMap::new();
        for (name, is_pure, imports, line) in rows {
            let listed = quoted(imports);
            if let Some(unknown) = listed.iter().find(|name| !names.contains(*name)) {
                return Err(format!("line {line}: `{unknown}` is no room"));
            }
            let mut may_import: BTreeSet<String> = if imports.starts_with("everything") {
                let all_but = |room: &&String| !listed.contains(room);
                names.iter().filter(all_but).cloned().collect()
            } else {
                listed.into_iter().collect()
            };
            if imports.starts_with("pure rooms") {
                may_import.extend(pure.iter().cloned());
            }
            let room = Room {
                pure: is_pure,
                may_import,
                line,
            };
            if rooms.insert(name.clone(), room).is_some() {
                return Err(format!("line {line}: `{name}` has two rows"));
            }
        }
        Ok(Map { rooms })
    }

    /// A circle of rooms that import each other, if there is one: `a`, `b`, `a`.
    pub(super) fn circle(&self) -> Option<Vec<&str>> {
        let mut done = BTreeSet::new();
        let mut rooms = self.rooms.keys();
        rooms.find_map(|room| self.circle_from(room, &mut Vec::new(), &mut done))
    }

    /// `way`: the imports that led here; `done`: the rooms that lead to no circle.
    fn circle_from<'a>(
        &'a self,
        room: &'a str,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(start) = way.iter().position(|before| *before == room) {
            return Some([&way[start..], &[room]].concat());
        }
        if !done.contains(room) {
            way.push(room);
            let imports = self.rooms[room]
                .may_import
                .iter()
                .filter(|next| *next != room);
            let circle = imports
                .into_iter()
                .find_map(|next| self.circle_from(next, way, done));
            if circle.is_some() {
                return circle;
            }
            way.pop();
            done.insert(room);
        }
        None
    }

    /// What a room may not import whatever its row says: imports go one way.
    pub(super) fn never(name: &str) -> &'static [&'static str] {
        match name {
            "cli" => &[],
            "commands" => &["cli"],
            "sys" => &["render", "commands", "cli"],
            "render" => &["sys", "commands", "cli"],
            _ => super::WORLDLY_ROOMS,
        }
    }
}

/// The words between backquotes.
fn quoted(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}
