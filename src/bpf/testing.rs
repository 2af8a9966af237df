//! BTF made by hand, for tests.

use super::btf::TypeId;

/// Writes types in sequence.
#[derive(Debug)]
pub(super) struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Writer {
    pub(super) fn new() -> Self {
        Writer {
            types: Vec::new(),
            strings: vec![0],
            count: 0,
        }
    }

    /// `info` is kind, count and flag; `entries` are the words after, the first of a row being a name
    /// where `names` says so.
    pub(super) fn add(&mut self, name: &str, info: u32, refers: u32, entries: &[Entry]) -> TypeId {
        let name = self.string(name);
        let mut words = vec![name, info, refers];
        for entry in entries {
            match entry {
                Entry::Name(name) => words.push(self.string(name)),
                Entry::Word(word) => words.push(*word),
                Entry::Type(id) => words.push(id.0),
            }
        }
        let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
        self.types.extend(bytes);
        self.count += 1;
        TypeId(self.count)
    }

    pub(super) fn pointer(&mut self, to: TypeId) -> TypeId {
        self.add("", 2 << 24, to.0, &[])
    }

    /// A struct of named members, each at this many bytes.
    pub(super) fn structure(&mut self, name: &str, members: &[(&str, TypeId, u32)]) -> TypeId {
        let entries: Vec<Entry> = members
            .iter()
            .flat_map(|(name, id, offset)| {
                [Entry::Name(name), Entry::Type(*id), Entry::Word(offset * 8)]
            })
            .collect();
        self.add(name, 4 << 24 | length(members), 64, &entries)
    }

    pub(super) fn function(&mut self, name: &str, arguments: &[(&str, TypeId)]) -> TypeId {
        let prototype = self.prototype(arguments);
        self.add(name, 12 << 24, prototype.0, &[])
    }

    /// A typedef of a pointer to functions.
    pub(super) fn tracepoint(&mut self, name: &str, arguments: &[(&str, TypeId)]) -> TypeId {
        let prototype = self.prototype(arguments);
        let pointer = self.pointer(prototype);
        self.add(name, 8 << 24, pointer.0, &[])
    }

    fn prototype(&mut self, arguments: &[(&str, TypeId)]) -> TypeId {
        let entries: Vec<Entry> = arguments
            .iter()
            .flat_map(|(name, id)| [Entry::Name(name), Entry::Type(*id)])
            .collect();
        self.add("", 13 << 24 | length(arguments), 0, &entries)
    }

    /// The list of helpers (`enum bpf_func_id`): these, with numbers from 201 on.
    pub(super) fn helpers(&mut self, names: &[&str]) {
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("BPF_FUNC_{name}"))
            .collect();
        let helpers: Vec<_> = (201..).zip(&names).map(|(n, it)| (&**it, n)).collect();
        self.enumeration("bpf_func_id", &helpers);
    }

    /// A pointer to a network namespace, whose number is at 124 (100 and 24), and `possible_net_t`, in which sockets and
    /// devices have it.
    pub(super) fn namespace(&mut self, int: TypeId) -> [TypeId; 2] {
        let ns = self.structure("ns_common", &[("inum", int, 24)]);
        let net = self.structure("net", &[("ns", ns, 100)]);
        let net = self.pointer(net);
        [net, self.structure("possible_net_t", &[("net", net, 0)])]
    }

    pub(super) fn enumeration(&mut self, name: &str, values: &[(&str, u32)]) -> TypeId {
        let entries: Vec<Entry> = values
            .iter()
            .flat_map(|(name, value)| [Entry::Name(name), Entry::Word(*value)])
            .collect();
        self.add(name, 6 << 24 | length(values), 4, &entries)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (types, strings) = (length(&self.types), length(&self.strings));
        let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types, types, strings] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = length(&self.strings);
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }
}

/// A word after a type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry<'a> {
    Name(&'a str),
    Word(u32),
    Type(TypeId),
}

fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("a test is small")
}
