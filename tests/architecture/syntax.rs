//! What a Rust file names: `syn` reads its items and imports, and every other path and word is looked for
//! among its tokens, which include those of macros and attributes.

use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, Expr, ExprLit, Ident, ItemExternCrate, ItemUse, Lit, Meta, UseTree};

/// A source file: what it names.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    /// Its module, from the root of the crate.
    pub(super) module: Vec<String>,
    /// Whether all of it stands under `#[cfg(test)]`.
    pub(super) is_test: bool,
    pub(super) names: Vec<Named>,
    pub(super) words: Vec<Word>,
    pub(super) children: Vec<Child>,
    lines: usize,
    test_lines: usize,
}

/// A path: `use a::{b as c, d::*}` has two.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) segments: Vec<String>,
    pub(super) form: Form,
    /// Where its last word stands.
    pub(super) place: Place,
    /// The module that it stands in, from the root of the crate.
    pub(super) module: Vec<String>,
}

/// How a path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `a::b` in code.
    Plain,
    /// `::a::b`, or what follows a type in angle brackets.
    Leading,
    /// `use a::b;`
    Use,
    /// `use a::b as c;`
    Renamed,
    /// `use a::*;`
    Glob,
}

impl Form {
    pub(super) fn is_use(self) -> bool {
        matches!(self, Form::Use | Form::Renamed | Form::Glob)
    }

    fn of_rename(name: &Ident) -> Form {
        if name == "_" {
            Form::Use
        } else {
            Form::Renamed
        }
    }
}

/// An identifier or a keyword, without `r#`.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: String,
    /// It names a macro that is called.
    pub(super) is_macro: bool,
    /// It names a method that is called.
    pub(super) is_method: bool,
    pub(super) place: Place,
}

/// `mod name;`
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    /// The file of `#[path = "..."]`.
    pub(super) path: Option<String>,
    pub(super) place: Place,
}

/// Where something stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) line: usize,
    /// Under `#[cfg(test)]`.
    pub(super) in_test: bool,
}

impl File {
    /// Reads `text`, which has to be a Rust file.
    pub(super) fn new(path: &str, module: Vec<String>, text: &str, is_test: bool) -> File {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| {
            panic!("{path}:{}: {error}", error.span().start().line);
        });
        let mut scopes = Scopes::default();
        scopes.visit_file(&parsed);
        let file = File {
            path: path.to_owned(),
            module,
            is_test,
            names: Vec::new(),
            words: Vec::new(),
            children: Vec::new(),
            lines: text.lines().count(),
            test_lines: scopes.tests.iter().map(Extent::lines).sum(),
        };
        let children = std::mem::take(&mut scopes.children);
        let mut reader = Reader { file, scopes };
        for (name, path, span) in children {
            let place = reader.place(span);
            reader.file.children.push(Child { name, path, place });
        }
        let tokens: TokenStream = text.parse().expect("it was parsed");
        reader.words(tokens.clone());
        reader.names(tokens);
        reader.file
    }

    /// Its room.
    pub(super) fn room(&self) -> String {
        super::source::room_of(&self.path)
    }

    /// Its lines without its tests.
    pub(super) fn lines_of_code(&self) -> usize {
        self.lines - self.test_lines
    }
}

/// What the syntax tree knows of a file: which parts are tests, which are modules.
#[derive(Default)]
struct Scopes {
    /// The outermost parts that are marked `#[cfg(test)]`.
    tests: Vec<Extent>,
    /// `mod name { ... }`
    modules: Vec<(String, Extent)>,
    /// `mod name;` with its `#[path]`.
    children: Vec<(String, Option<String>, Span)>,
}

/// A part of a file.
struct Extent {
    start: LineColumn,
    end: LineColumn,
}

impl Extent {
    fn of(node: &impl Spanned) -> Extent {
        let span = node.span();
        Extent {
            start: span.start(),
            end: span.end(),
        }
    }

    fn holds(&self, at: LineColumn) -> bool {
        (self.start..self.end).contains(&at)
    }

    fn lines(&self) -> usize {
        self.end.line - self.start.line + 1
    }
}

impl Scopes {
    fn note(&mut self, attributes: &[Attribute], node: &impl Spanned) {
        let extent = Extent::of(node);
        let inside = self.tests.iter().any(|test| test.holds(extent.start));
        if attributes.iter().any(is_cfg_test) && !inside {
            self.tests.push(extent);
        }
    }
}

/// Visits what may carry `#[cfg(test)]`.
macro_rules! noting {
    ($($visit:ident: $node:ident),* $(,)?) => {
        $(fn $visit(&mut self, node: &'ast syn::$node) {
            self.note(&node.attrs, node);
            syn::visit::$visit(self, node);
        })*
    };
}

impl<'ast> Visit<'ast> for Scopes {
    noting! {
        visit_arm: Arm,
        visit_field: Field,
        visit_impl_item_const: ImplItemConst,
        visit_impl_item_fn: ImplItemFn,
        visit_item_const: ItemConst,
        visit_item_enum: ItemEnum,
        visit_item_extern_crate: ItemExternCrate,
        visit_item_fn: ItemFn,
        visit_item_impl: ItemImpl,
        visit_item_macro: ItemMacro,
        visit_item_static: ItemStatic,
        visit_item_struct: ItemStruct,
        visit_item_trait: ItemTrait,
        visit_item_type: ItemType,
        visit_item_use: ItemUse,
        visit_local: Local,
        visit_trait_item_fn: TraitItemFn,
        visit_variant: Variant,
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        self.note(&node.attrs, node);
        let name = node.ident.unraw().to_string();
        if node.content.is_some() {
            self.modules.push((name, Extent::of(node)));
        } else {
            let path = node.attrs.iter().find_map(path_attribute);
            self.children.push((name, path, node.ident.span()));
        }
        syn::visit::visit_item_mod(self, node);
    }
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    let is_test = |list: &syn::MetaList| list.tokens.to_string() == "test";
    attribute.path().is_ident("cfg") && attribute.meta.require_list().is_ok_and(is_test)
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else {
        return None;
    };
    match &meta.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(file),
            ..
        }) if meta.path.is_ident("path") => Some(file.value()),
        _ => None,
    }
}

/// Goes through the tokens of a file, those inside macros and attributes too.
struct Reader {
    file: File,
    scopes: Scopes,
}

impl Reader {
    fn words(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let word = match token {
                TokenTree::Ident(word) => word,
                TokenTree::Group(group) => {
                    self.words(group.stream());
                    continue;
                }
                _ => continue,
            };
            let next = tokens.get(at + 1);
            let dot = at > 0 && is(&tokens[at - 1], '.');
            let bang = next.is_some_and(|token| is(token, '!'));
            let word = Word {
                text: word.unraw().to_string(),
                is_macro: bang && matches!(tokens.get(at + 2), Some(TokenTree::Group(_))),
                is_method: dot && next.is_some_and(is_parenthesis),
                place: self.place(word.span()),
            };
            self.file.words.push(word);
        }
    }

    fn names(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut rest = &tokens[..];
        while let Some(first) = rest.first() {
            if let TokenTree::Group(group) = first {
                self.names(group.stream());
            }
            let named = self.import(rest).or_else(|| self.path(rest));
            rest = &rest[named.unwrap_or(1)..];
        }
    }

    /// A `use` or an `extern crate` at the front, and how many tokens it has.
    fn import(&mut self, tokens: &[TokenTree]) -> Option<usize> {
        let TokenTree::Ident(word) = &tokens[0] else {
            return None;
        };
        if word != "use" && word != "extern" {
            return None;
        }
        let length = tokens.iter().position(|token| is(token, ';'))? + 1;
        let item: TokenStream = tokens[..length].iter().cloned().collect();
        if word == "use" {
            self.tree(&syn::parse2::<ItemUse>(item).ok()?.tree, &[]);
        } else {
            let item = syn::parse2::<ItemExternCrate>(item).ok()?;
            let renamed = item.rename.map(|(_, name)| Form::of_rename(&name));
            self.named(&[item.ident], renamed.unwrap_or(Form::Use));
        }
        Some(length)
    }

    fn tree(&mut self, tree: &UseTree, before: &[Ident]) {
        let with = |name: &Ident| {
            let mut path = before.to_vec();
            // `a::{self}` is `a`.
            if name != "self" || path.is_empty() {
                path.push(name.clone());
            }
            path
        };
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) => self.named(&with(&name.ident), Form::Use),
            UseTree::Rename(name) => {
                self.named(&with(&name.ident), Form::of_rename(&name.rename));
            }
            UseTree::Glob(_) => self.named(before, Form::Glob),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before);
                }
            }
        }
    }

    /// Any other path at the front, and how many tokens it has.
    fn path(&mut self, tokens: &[TokenTree]) -> Option<usize> {
        let colons = |at: usize| match tokens.get(at..at + 2) {
            Some([first, second]) => is(first, ':') && is(second, ':'),
            _ => false,
        };
        let leading = colons(0);
        let mut at = if leading { 2 } else { 0 };
        let mut segments = Vec::new();
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            segments.push(word.clone());
            at += 1;
            if !colons(at) {
                break;
            }
            at += 2;
        }
        if segments.is_empty() {
            return None;
        }
        self.named(&segments, if leading { Form::Leading } else { Form::Plain });
        Some(at)
    }

    fn named(&mut self, segments: &[Ident], form: Form) {
        let Some(last) = segments.last().map(Ident::span) else {
            return;
        };
        let mut module = self.file.module.clone();
        let inner = self.scopes.modules.iter();
        let inner = inner.filter(|(_, extent)| extent.holds(last.start()));
        module.extend(inner.map(|(name, _)| name.clone()));
        let place = self.place(last);
        self.file.names.push(Named {
            segments: segments.iter().map(|s| s.unraw().to_string()).collect(),
            form,
            place,
            module,
        });
    }

    fn place(&self, span: Span) -> Place {
        let at = span.start();
        let in_test = self.scopes.tests.iter().any(|test| test.holds(at));
        Place {
            line: at.line,
            in_test: self.file.is_test || in_test,
        }
    }
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_parenthesis(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}
