//! One Rust file as the rules see it: tokens without comments and strings, and the extents of
//! its modules and functions. A lexer of its own, and no parser: it needs no dependency, and
//! whatever formatting and macros do, a token stays a token.

/// One Rust file.
pub struct Source {
    /// Its path from the root of the project, with forward slashes.
    pub path: String,
    /// Its code, in order.
    pub tokens: Vec<Token>,
    modules: Vec<InlineModule>,
    lines: usize,
}

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// An identifier or keyword, `::`, or a single other character. Numbers count as identifiers.
    pub text: String,
    /// The line it stands on; the first is 1.
    pub line: usize,
}

/// A function with a body.
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`.
    pub line: usize,
    /// Lines from its `fn` to its closing brace.
    pub lines: usize,
}

struct InlineModule {
    name: String,
    is_test: bool,
    /// Indices of the tokens of its braces.
    extent: (usize, usize),
}

impl Source {
    /// Reads a file's text.
    pub fn new(path: &str, text: &str) -> Self {
        let tokens = tokenise(&blank(text));
        let modules = inline_modules(&tokens);
        Self {
            path: path.to_owned(),
            tokens,
            modules,
            lines: text.lines().count(),
        }
    }

    /// The text of the token at `index`; empty past the end.
    pub fn text(&self, index: usize) -> &str {
        self.tokens
            .get(index)
            .map_or("", |token| token.text.as_str())
    }

    /// Whether the token at `index` is in a `#[cfg(test)]` module, or the whole file is one.
    pub fn is_test(&self, index: usize) -> bool {
        self.is_test_file()
            || self
                .modules
                .iter()
                .any(|module| module.is_test && module.contains(index))
    }

    /// The path, from the crate's root, of the module that the token at `index` is in.
    pub fn module_at(&self, index: usize) -> Vec<String> {
        let mut module = file_module(&self.path);
        let inline = self.modules.iter().filter(|inline| inline.contains(index));
        module.extend(inline.map(|inline| inline.name.clone()));
        module
    }

    /// Lines of the file, without those of its test modules.
    pub fn lines_net_of_tests(&self) -> usize {
        if self.is_test_file() {
            return 0;
        }
        let tests = self
            .modules
            .iter()
            .filter(|module| module.is_test)
            .map(|module| {
                let (open, close) = module.extent;
                self.tokens[close].line - self.tokens[open].line + 1
            });
        self.lines - tests.sum::<usize>()
    }

    /// Every function that has a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let starts = (0..self.tokens.len())
            .filter(|&index| self.text(index) == "fn" && is_name(self.text(index + 1)));
        starts.filter_map(|start| self.function(start)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        let mut depth = 0_usize;
        for index in start..self.tokens.len() {
            match self.text(index) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                ";" if depth == 0 => return None,
                "{" if depth == 0 => {
                    let line = self.tokens[start].line;
                    let last = self.tokens[closing(&self.tokens, index)].line;
                    let name = self.text(start + 1).to_owned();
                    return Some(Function {
                        name,
                        line,
                        lines: last - line + 1,
                    });
                }
                _ => {}
            }
        }
        None
    }

    fn is_test_file(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

impl InlineModule {
    fn contains(&self, index: usize) -> bool {
        (self.extent.0..=self.extent.1).contains(&index)
    }
}

/// Whether the text can begin a path: an identifier or keyword, not a number or a symbol.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The index of the bracket that closes the one at `open`; the last token if none does.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len() - 1
}

/// `src/grpc/consent.rs` is the module `grpc::consent`.
fn file_module(path: &str) -> Vec<String> {
    let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
    let mut module: Vec<String> = inside
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

fn inline_modules(tokens: &[Token]) -> Vec<InlineModule> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut modules = Vec::new();
    for index in 0..tokens.len() {
        if text(index) == "mod" && is_name(text(index + 1)) && text(index + 2) == "{" {
            modules.push(InlineModule {
                name: text(index + 1).to_owned(),
                is_test: has_cfg_test(tokens, index),
                extent: (index + 2, closing(tokens, index + 2)),
            });
        }
    }
    modules
}

/// Whether the attributes just before the item at `index` have a `cfg(test)`.
fn has_cfg_test(tokens: &[Token], index: usize) -> bool {
    let is_end = |token: &&Token| [";", "{", "}"].contains(&token.text.as_str());
    let before = &tokens[..index];
    let begin = before.len()
        - before
            .iter()
            .rev()
            .take_while(|token| !is_end(token))
            .count();
    let texts: Vec<&str> = before[begin..]
        .iter()
        .map(|token| token.text.as_str())
        .collect();
    texts
        .windows(4)
        .any(|window| window == ["cfg", "(", "test", ")"])
}

fn tokenise(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            tokens.push(Token {
                text: rest[..length].to_owned(),
                line,
            });
        }
        rest = &rest[length..];
    }
    tokens
}

/// The text with comments, strings and character literals replaced by spaces; lines stay.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let skipped = literal_or_comment(rest, code.chars().next_back());
        let length = skipped.unwrap_or_else(|| rest.chars().next().map_or(0, char::len_utf8));
        if skipped.is_some() {
            code.extend(
                rest[..length]
                    .chars()
                    .map(|c| if c == '\n' { c } else { ' ' }),
            );
        } else {
            code.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    code
}

/// The length of the comment, string or character literal that `rest` begins with, if it does.
fn literal_or_comment(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return rest.starts_with('"').then(|| string(rest, 0));
    }
    let prefix = rest
        .find(|c| !['b', 'c', 'r'].contains(&c))
        .unwrap_or(rest.len());
    let body = &rest[prefix..];
    let hashes = body.find(|c| c != '#').unwrap_or(body.len());
    let is_raw = rest[..prefix].ends_with('r');
    if is_raw && body[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = prefix + hashes + 1;
        return Some(
            rest[inside..]
                .find(&end)
                .map_or(rest.len(), |at| inside + at + end.len()),
        );
    }
    body.starts_with('"').then(|| string(rest, prefix))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A character literal, and not a lifetime or a loop label.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest.char_indices().skip(1);
    let (_, first) = inside.next()?;
    if first == '\\' {
        inside.next()?;
        return inside.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    inside
        .next()
        .filter(|(_, c)| *c == '\'')
        .map(|(at, _)| at + 1)
}

/// A string whose opening quote is at `open`.
fn string(rest: &str, open: usize) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest[open + 1..].char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return open + 1 + at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(code: &str) -> Vec<String> {
        Source::new("src/domain/x.rs", code)
            .tokens
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn comments_strings_and_characters_are_not_code() {
        let code =
            "a /* b /* c */ d */ \"e \\\" f\" r#\"g \" h\"# br\"i\" 'j' '\\'' '\\u{6b}' // l\nm";
        assert_eq!(words(code), ["a", "m"]);
    }

    #[test]
    fn lifetimes_raw_names_and_paths_are_code() {
        assert_eq!(
            words("&'a r#type :: x"),
            ["&", "'", "a", "r", "#", "type", "::", "x"]
        );
    }

    #[test]
    fn a_token_knows_its_line_past_a_string_of_many_lines() {
        let source = Source::new("src/domain/x.rs", "\"\n\n\"\nfn late() {}");
        assert_eq!(source.tokens[0].line, 4);
    }

    #[test]
    fn the_module_of_a_token_follows_file_and_inline_modules() {
        let source = Source::new("src/store/item/mod.rs", "mod tests { x }");
        assert_eq!(source.module_at(0), ["store", "item"]);
        assert_eq!(source.module_at(3), ["store", "item", "tests"]);
    }

    #[test]
    fn test_modules_do_not_count_as_lines() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::new("src/domain/x.rs", code);
        assert_eq!(source.lines_net_of_tests(), 3);
        let last = source.tokens.len() - 1;
        assert!(
            source.is_test(
                source
                    .tokens
                    .iter()
                    .position(|token| token.text == "b")
                    .unwrap()
            )
        );
        assert!(!source.is_test(last));
    }

    #[test]
    fn a_function_is_measured_from_its_name_to_its_brace() {
        let code = "trait T { fn none(&self); }\nfn long(x: [u8; 3]) -> u8\nwhere\n{\n  { 1 }\n}\n";
        let functions = Source::new("src/domain/x.rs", code).functions();
        assert_eq!(functions.len(), 1);
        assert_eq!(
            (
                functions[0].name.as_str(),
                functions[0].line,
                functions[0].lines
            ),
            ("long", 2, 5)
        );
    }
}
