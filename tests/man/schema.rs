//! The JSON that commands write, as it is documented: the texts of `tests/man/json`, read, and held against output.
//!
//! A text documents a schema. A line of it is a key: its path, its type, what it is.
//!
//! ```text
//! schema sockdoc.some/1
//! run sockdoc some --json
//! What the document is.
//!
//! items[]       object   a list of objects
//! items[].size? integer? "?" after the path: may be absent; after the type: may be null
//! owner         @subject an object that is described elsewhere
//! by_name.*     number   any key
//! ```
//!
//! `event NAME` begins the keys of lines with that event (`-`: of a document beside them), `object NAME` those of a shared object, `use NAME` takes the keys
//! of one, and `from FILE` those that a source file documents. `example` is the last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

/// All schemas and shared objects.
pub(crate) struct Book {
    pub(crate) schemas: Vec<Schema>,
    pub(crate) objects: BTreeMap<String, Shape>,
}

/// A document, or the lines of a stream of events.
#[derive(Default)]
pub(crate) struct Schema {
    /// The values of the key `schema`: one, or several that are alike.
    pub(crate) names: Vec<String>,
    /// The commands that write it.
    pub(crate) runs: Vec<String>,
    /// The keys of the document, or of each line.
    pub(crate) common: Shape,
    /// The further keys of a line by its event; two may have the same name.
    pub(crate) events: Vec<Shape>,
    pub(crate) example: String,
}

/// Keys with a name and a description.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) lines: Vec<Line>,
}

/// What a shape consists of.
pub(crate) enum Line {
    Key(Key),
    /// All keys of a shared object.
    Use(String),
}

/// A key.
pub(crate) struct Key {
    /// From the top of its shape: `evidence[].source`.
    pub(crate) path: String,
    /// `string`, `integer`, `number`, `boolean`, `object`, `any`, or `@` and the name of a shared object.
    pub(crate) kind: String,
    pub(crate) may_be_null: bool,
    pub(crate) may_be_absent: bool,
    pub(crate) text: String,
}

/// The documented keys that output had: the shape's name and the path.
pub(crate) type Seen = BTreeSet<String>;

/// A key in the place where it applies.
struct Known<'a> {
    path: String,
    key: &'a Key,
    id: String,
}

/// What is held against the documentation, and what came of it.
#[derive(Default)]
struct Reading {
    seen: Seen,
    complaints: Vec<String>,
    /// Whether keys may be left out, as in an example.
    is_partial: bool,
}

impl Book {
    /// Reads the texts.
    pub(crate) fn open() -> Book {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<_> = std::fs::read_dir(root.join("tests/man/json"))
            .expect("tests/man/json")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        let mut book = Book {
            schemas: Vec::new(),
            objects: BTreeMap::new(),
        };
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a text");
            book.read(&text, root);
        }
        book
    }

    fn read(&mut self, text: &str, root: &Path) {
        let (keys, example) = text.split_once("\nexample\n").unwrap_or((text, ""));
        let mut schema = Schema {
            example: example.to_owned(),
            ..Schema::default()
        };
        let mut objects: Vec<Shape> = Vec::new();
        let mut in_object = false;
        for line in keys.lines().filter(|line| !line.is_empty()) {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            let shape = match (in_object, schema.events.is_empty()) {
                (true, _) => objects.last_mut().expect("an object"),
                (false, false) => schema.events.last_mut().expect("an event"),
                (false, true) => &mut schema.common,
            };
            // A key may have the name of a directive; it has a type and a text too.
            let is_directive = first == "run"
                || ["schema", "event", "object", "use", "from"].contains(&first)
                    && !rest.trim_start().contains(' ');
            match first {
                _ if !is_directive && shape.about.is_empty() => line.clone_into(&mut shape.about),
                _ if !is_directive => shape.lines.push(Line::Key(Key::read(line))),
                "schema" => schema.names.push(rest.to_owned()),
                "run" => schema.runs.push(rest.to_owned()),
                "event" | "object" => {
                    let shape = Shape {
                        name: rest.to_owned(),
                        ..Shape::default()
                    };
                    in_object = first == "object";
                    if in_object {
                        objects.push(shape);
                    } else {
                        schema.events.push(shape);
                    }
                }
                "use" => shape.lines.push(Line::Use(rest.to_owned())),
                "from" => shape.lines.extend(in_source(&root.join(rest))),
                _ => unreachable!("{line}"),
            }
        }
        let named = objects.into_iter().map(|it| (it.name.clone(), it));
        self.objects.extend(named);
        if !schema.names.is_empty() {
            self.schemas.push(schema);
        }
    }

    /// Holds a document or a line of `schema` against the documentation, and notes the keys that it has.
    pub(crate) fn check(&self, schema: &str, value: &Value, seen: &mut Seen) -> Result<(), String> {
        self.compare(schema, value, seen, false)
    }

    /// The same of an example, which may leave out keys.
    pub(crate) fn check_example(&self, schema: &str, value: &Value) -> Result<(), String> {
        self.compare(schema, value, &mut Seen::new(), true)
    }

    fn compare(
        &self,
        schema: &str,
        value: &Value,
        seen: &mut Seen,
        is_partial: bool,
    ) -> Result<(), String> {
        let named = value["schema"].as_str().unwrap_or(schema);
        let schema = self
            .schemas
            .iter()
            .find(|it| it.names.iter().any(|it| it == named));
        let schema = schema.ok_or_else(|| format!("no schema {named} is documented"))?;
        let fields = value.as_object().ok_or("not an object")?;
        let mut complaints: Option<Vec<String>> = None;
        for keys in self.variants(schema, value["event"].as_str().unwrap_or("-")) {
            let mut reading = Reading {
                is_partial,
                ..Reading::default()
            };
            self.object(&keys, "", fields, &mut reading);
            if reading.complaints.is_empty() {
                seen.extend(reading.seen);
                return Ok(());
            }
            if complaints
                .as_ref()
                .is_none_or(|least| reading.complaints.len() < least.len())
            {
                complaints = Some(reading.complaints);
            }
        }
        let none = || vec![format!("the event {} is not documented", value["event"])];
        let complaints = complaints.unwrap_or_else(none).join("\n  ");
        Err(format!("{named}: {value}\n  {complaints}"))
    }

    /// The keys that a line with `event` may have: more than one set if two kinds of lines share the name.
    fn variants<'a>(&'a self, schema: &'a Schema, event: &str) -> Vec<Vec<Known<'a>>> {
        let name = &schema.names[0];
        let common = || self.keys(&schema.common, name);
        if schema.events.is_empty() {
            return vec![common()];
        }
        let events = schema.events.iter().enumerate();
        let events = events.filter(|(_, shape)| shape.name == event);
        events
            .map(|(number, shape)| {
                let mut keys = common();
                keys.extend(self.keys(shape, &event_id(name, number, shape)));
                keys
            })
            .collect()
    }

    fn keys<'a>(&'a self, shape: &'a Shape, name: &str) -> Vec<Known<'a>> {
        let mut keys = Vec::new();
        for line in &shape.lines {
            match line {
                Line::Key(key) => keys.push(Known {
                    path: key.path.clone(),
                    key,
                    id: format!("{name} {}", key.path),
                }),
                Line::Use(other) => keys.extend(self.keys(self.shared(other), other)),
            }
        }
        keys
    }

    fn shared(&self, name: &str) -> &Shape {
        let shape = self.objects.get(name);
        shape.unwrap_or_else(|| panic!("no object {name} is described"))
    }

    fn object(
        &self,
        keys: &[Known<'_>],
        place: &str,
        fields: &Map<String, Value>,
        reading: &mut Reading,
    ) {
        for (name, value) in fields {
            let within = |name: &str| match place {
                "" => name.to_owned(),
                place => format!("{place}.{name}"),
            };
            let (path, any) = (within(name), within("*"));
            let is_any = !has(keys, &path) && find(keys, &any).is_some();
            self.value(keys, if is_any { &any } else { &path }, value, reading);
        }
        if reading.is_partial {
            return;
        }
        for known in keys.iter().filter(|known| !known.key.may_be_absent) {
            let (parent, name) = known.path.rsplit_once('.').unwrap_or(("", &known.path));
            let name = name.trim_end_matches("[]");
            if parent == place && name != "*" && !fields.contains_key(name) {
                reading
                    .complaints
                    .push(format!("{} is missing", known.path));
            }
        }
    }

    fn value(&self, keys: &[Known<'_>], path: &str, value: &Value, reading: &mut Reading) {
        let list = format!("{path}[]");
        let known = find(keys, path);
        if let (Value::Array(items), None) = (value, known) {
            if let Some(known) = find(keys, &list) {
                reading.seen.insert(known.id.clone());
            } else if !has(keys, &list) {
                reading.complaints.push(format!("{list} is not documented"));
            }
            for item in items {
                self.value(keys, &list, item, reading);
            }
            return;
        }
        let known = known.or_else(|| find(keys, &list).filter(|_| value.is_null()));
        let Some(known) = known else {
            reading.complaints.push(format!("{path} is not documented"));
            return;
        };
        reading.seen.insert(known.id.clone());
        if !known.key.takes(value) {
            let kind = &known.key.kind;
            reading
                .complaints
                .push(format!("{path} is {value}, not of type {kind}"));
        }
        let Value::Object(fields) = value else {
            return;
        };
        match known.key.kind.strip_prefix('@') {
            Some(name) => {
                let mut inside = self.keys(self.shared(name), name);
                let here = format!("{path}.");
                inside.extend(keys.iter().filter_map(|it| {
                    Some(Known {
                        path: it.path.strip_prefix(&here)?.to_owned(),
                        key: it.key,
                        id: it.id.clone(),
                    })
                }));
                self.object(&inside, "", fields, reading);
            }
            None if known.key.kind == "object" => self.object(keys, path, fields, reading),
            None => {}
        }
    }

    /// The documented keys that are not in `seen`.
    pub(crate) fn unseen(&self, seen: &Seen) -> Vec<String> {
        let mut all: Vec<Known<'_>> = Vec::new();
        for schema in &self.schemas {
            all.extend(self.keys(&schema.common, &schema.names[0]));
            for (number, shape) in schema.events.iter().enumerate() {
                all.extend(self.keys(shape, &event_id(&schema.names[0], number, shape)));
            }
        }
        for (name, shape) in &self.objects {
            all.extend(self.keys(shape, name));
        }
        let ids: BTreeSet<String> = all.into_iter().map(|known| known.id).collect();
        ids.difference(seen).cloned().collect()
    }
}

fn event_id(schema: &str, number: usize, shape: &Shape) -> String {
    format!("{schema} {}#{number}", shape.name)
}

fn find<'k, 'a>(keys: &'k [Known<'a>], path: &str) -> Option<&'k Known<'a>> {
    keys.iter().find(|known| known.path == path)
}

/// Whether there is a key at `path`, or a list, or something below.
fn has(keys: &[Known<'_>], path: &str) -> bool {
    keys.iter().any(|known| {
        let rest = known.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

impl Key {
    fn read(line: &str) -> Key {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("too short: {line}"));
        let (path, kind) = (word(), word());
        Key {
            path: path.trim_end_matches('?').to_owned(),
            kind: kind.trim_end_matches('?').to_owned(),
            may_be_null: kind.ends_with('?'),
            may_be_absent: path.ends_with('?'),
            text: words.collect::<Vec<_>>().join(" "),
        }
    }

    /// Whether `value` is of its type.
    fn takes(&self, value: &Value) -> bool {
        match self.kind.as_str() {
            _ if value.is_null() => self.may_be_null || self.kind == "any",
            "any" => true,
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            kind if kind.starts_with('@') => value.is_object(),
            kind => panic!("{} has no type {kind}", self.path),
        }
    }
}

/// The fields of a Rust source that become keys, with their comments: `pub name: Option<type>`, or `number => name: type`.
fn in_source(file: &Path) -> Vec<Line> {
    let source = std::fs::read_to_string(file).expect("a source");
    let mut comment = String::new();
    let mut keys = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            comment.push_str(more);
            continue;
        }
        let text = std::mem::take(&mut comment);
        let field = line
            .strip_prefix("pub ")
            .filter(|it| it.contains(": Option<"));
        let offset = line.split_once(" => ");
        let offset = offset.filter(|(offset, _)| offset.bytes().all(|it| it.is_ascii_digit()));
        let Some(field) = field.or(offset.map(|(_, field)| field)) else {
            continue;
        };
        let Some((name, kind)) = field.split_once(": ") else {
            continue;
        };
        if name.contains('$') {
            continue;
        }
        let text = text.trim().replace(['[', ']', '`'], "");
        assert!(
            !text.is_empty(),
            "{}: {name} has no comment",
            file.display()
        );
        keys.push(Line::Key(Key {
            path: name.to_owned(),
            kind: if kind.contains("bool") {
                "boolean"
            } else {
                "integer"
            }
            .to_owned(),
            may_be_null: true,
            may_be_absent: false,
            text: text.replace("None: ", "Null: "),
        }));
    }
    keys
}
