//! What `.proto` source text may have before protox sees it.
//!
//! protox 0.10 was written for what people write. A value of an option that nests 100 000 deep overflows its stack, a package
//! of a million parts takes gigabytes, and a list of a million options an hour. So the text is first counted, without being
//! understood: what is not `.proto` protox refuses.

use super::guard::limit;
use super::wire::MAX_DEPTH;
use crate::error::{Error, Result, code};

/// Bytes of all files together.
const BYTES: u64 = 64 << 20;
/// Brackets inside one another: messages, and the value of an option in the innermost.
const DEPTH: usize = limit::NESTING + MAX_DEPTH;
/// Statements and blocks of all files together: a symbol has one of its own, and others need fewer than that.
const STATEMENTS: usize = 2 * limit::SYMBOLS;
/// Commas of all files together: a range or an option has one of its own.
const COMMAS: usize = 2 * limit::RANGES;
/// Parts of one name: those of a package, and of messages inside one another.
const NAME_PARTS: usize = limit::PACKAGE_PARTS + limit::NESTING + 1;

/// Escapes in strings, and characters that mean nothing, of all files together: of each, protox keeps an error.
const ODDITIES: usize = 1 << 20;
/// How many statements and commas, times bytes, a file may have in which protox tells the line of each error: it goes through
/// the text anew for each, of which there may be as many.
const LOCATED: usize = 1 << 30;

/// What opens a bracket, and what closes it.
const BRACKETS: [[u8; 2]; 4] = [*b"{}", *b"[]", *b"()", *b"<>"];

/// What the files of one compilation have come to.
#[derive(Debug, Default)]
pub(super) struct Count {
    files: usize,
    bytes: u64,
    statements: usize,
    commas: usize,
    oddities: usize,
    /// Bytes of the full names of all that is defined, or a little more.
    names: usize,
}

impl Count {
    /// Counts a file; whether protox may tell the line of each error in it.
    ///
    /// # Errors
    /// `schema.too-large`.
    pub(super) fn file(&mut self, text: &[u8]) -> Result<bool> {
        self.files += 1;
        within(self.files, limit::FILES, "files")?;
        self.bytes += text.len() as u64;
        if self.bytes > BYTES {
            return Err(exceeded(BYTES, "bytes in all files together"));
        }
        let before = self.statements + self.commas;
        // A bracket is closed by one of its own kind only.
        let (mut open, mut parts, mut scope) = ([0usize; BRACKETS.len()], 1, Scope::default());
        for token in Tokens(text) {
            match token {
                Token::Word(word) => {
                    scope.word(word);
                    continue;
                }
                Token::Mark(b'.') => {
                    parts += 1;
                    within(parts, NAME_PARTS, "parts in one name")?;
                    continue;
                }
                Token::Mark(b',') => self.commas += 1,
                Token::Mark(mark) => {
                    for (open, [begin, end]) in open.iter_mut().zip(BRACKETS) {
                        *open = (*open + usize::from(mark == begin)).saturating_sub(usize::from(mark == end));
                    }
                    within(open.iter().sum(), DEPTH, "brackets inside one another")?;
                    // The value of an option has fields with nothing between them. Parentheses are around names.
                    let begins = matches!(mark, b';' | b':' | b'{' | b'[' | b'<');
                    self.statements += usize::from(begins);
                    self.names += scope.mark(mark);
                }
                Token::Text { escapes } => self.oddities += escapes,
                Token::Odd => self.oddities += 1,
            }
            parts = 1;
            within(self.statements, STATEMENTS, "statements, blocks, lists and values of options together")?;
            within(self.commas, COMMAS, "commas")?;
            within(self.oddities, ODDITIES, "escapes and characters without meaning")?;
            within(self.names, limit::NAME_BYTES, "bytes of full names together")?;
        }
        // Wherever the package is stated.
        let statements = self.statements + self.commas - before;
        self.names = self.names.saturating_add(statements.saturating_mul(scope.package));
        within(self.names, limit::NAME_BYTES, "bytes of full names together")?;
        Ok(statements.saturating_mul(text.len()) <= LOCATED)
    }
}

/// Where a definition is, as far as that makes its full name longer.
#[derive(Default)]
struct Scope {
    /// Bytes of the name of the package.
    package: usize,
    /// Bytes of the names that the blocks around have.
    blocks: Vec<usize>,
    around: usize,
    /// Of the statement at hand: whether it is that of the package, the longest word, and all of them.
    is_package: bool,
    longest: usize,
    all: usize,
}

impl Scope {
    fn word(&mut self, word: &[u8]) {
        self.is_package |= word == b"package" && self.all == 0;
        self.longest = self.longest.max(word.len());
        self.all += word.len() + 1;
    }

    /// Goes past a mark; the bytes of the full name of what ends or begins there.
    fn mark(&mut self, mark: u8) -> usize {
        let name = match mark {
            b'{' => {
                self.blocks.push(self.longest + 1);
                self.around + self.longest
            }
            b';' => {
                if self.is_package {
                    self.package = self.package.max(self.all);
                }
                self.around + self.longest
            }
            b'}' => {
                self.around -= self.blocks.pop().unwrap_or_default();
                0
            }
            _ => return 0,
        };
        if mark == b'{' {
            self.around += self.longest + 1;
        }
        (self.is_package, self.longest, self.all) = (false, 0, 0);
        name
    }
}

fn within(found: usize, most: usize, what: &str) -> Result<()> {
    if found > most { Err(exceeded(most as u64, what)) } else { Ok(()) }
}

#[cold]
fn exceeded(most: u64, what: &str) -> Error {
    let message = format!("the .proto source of a schema may have at most {most} {what}, found more");
    Error::new(code::SCHEMA_TOO_LARGE, message)
}

/// The tokens of a text: comments and what is between tokens left out.
struct Tokens<'a>(&'a [u8]);

enum Token<'a> {
    /// A name or number, or a part of one.
    Word(&'a [u8]),
    /// A string.
    Text {
        escapes: usize,
    },
    Mark(u8),
    /// A character that means nothing.
    Odd,
}

impl Tokens<'_> {
    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    /// Goes on after the first place where `end` stands, or to the end.
    fn skip_past(&mut self, end: &[u8]) {
        let place = self.0.windows(end.len()).position(|window| window == end);
        self.skip(place.map_or(self.0.len(), |place| place + end.len()));
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            match *self.0 {
                [] => return None,
                [b'/', b'/', ..] | [b'#', ..] => self.skip_past(b"\n"),
                [b'/', b'*', ..] => {
                    self.skip(2);
                    self.skip_past(b"*/");
                }
                [quote @ (b'"' | b'\''), ..] => {
                    self.skip(1);
                    let mut escapes = 0;
                    loop {
                        match *self.0 {
                            // No string goes over the end of its line.
                            [] | [b'\n', ..] => break,
                            [b'\\', escaped, ..] if escaped != b'\n' => {
                                escapes += 1;
                                self.skip(2);
                            }
                            [byte, ..] => {
                                self.skip(1);
                                if byte == quote {
                                    break;
                                }
                            }
                        }
                    }
                    return Some(Token::Text { escapes });
                }
                [ref byte, ..] if is_word(byte) => {
                    let len = self.0.iter().take_while(|byte| is_word(byte)).count();
                    let word = &self.0[..len];
                    self.skip(len);
                    return Some(Token::Word(word));
                }
                [byte, ..] => {
                    self.skip(1);
                    match byte {
                        b'.' | b'-' | b'+' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b',' | b'='
                        | b':' | b';' | b'/' => return Some(Token::Mark(byte)),
                        byte if !byte.is_ascii_whitespace() => return Some(Token::Odd),
                        _ => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        Count::default().file(text.as_bytes()).err().map(|error| {
            assert!(error.is(code::SCHEMA_TOO_LARGE));
            error.message().to_owned()
        })
    }

    #[test]
    fn exactly_the_bound_passes() {
        for (what, most, text) in [
            ("brackets", DEPTH, "{"),
            ("brackets", DEPTH, "{a<"),
            ("brackets", DEPTH, "{>"),
            ("brackets", DEPTH, "\"\\\"(\\\n{"),
            ("statements", STATEMENTS, "a;"),
            ("statements", STATEMENTS, "a:1 "),
            ("statements", STATEMENTS, "a{}"),
            ("commas", COMMAS, "a,\n"),
            ("parts", NAME_PARTS - 1, "a . "),
            ("parts", NAME_PARTS - 1, ".a//.\n/*.*/"),
            ("meaning", ODDITIES, "\u{1}"),
            ("meaning", ODDITIES, "'\\q'"),
        ] {
            let most = most / text.matches(['{', '<']).count().max(1);
            assert_eq!(refused(&text.repeat(most)), None, "{text}");
            assert!(refused(&text.repeat(most + 1)).unwrap().contains(what), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_counted() {
        let many = "{[(<;:,.".repeat(STATEMENTS);
        for text in [
            format!("// {many}\nmessage A {{}}"),
            format!("/* {many} */ message A {{}}"),
            format!("option a = \"\\\"{many}\\\\\" '{many}';"),
            String::new(),
            "/".to_owned(),
            "/*".to_owned(),
            "\"\\".to_owned(),
        ] {
            assert_eq!(refused(&text), None, "{text:.40}");
        }
    }

    #[test]
    fn files_are_counted_together() {
        let mut count = Count::default();
        (0..limit::FILES).for_each(|_| assert!(count.file(b";").unwrap()));
        assert!(count.file(b"").unwrap_err().message().contains("4096 files"));
        let mut count = Count::default();
        let piece = vec![b' '; 16 << 20];
        (0..4).for_each(|_| assert!(count.file(&piece).unwrap()));
        assert!(count.file(b" ").unwrap_err().message().contains("bytes in all"));
    }

    #[test]
    fn full_names_are_counted() {
        // 31 messages inside one another, with names of 250 bytes; 2 200 fields in the innermost.
        let name = "A".repeat(250);
        let nested = |fields| format!("{}{}", format!("message {name} {{").repeat(31), "int32 a = 1;".repeat(fields));
        assert_eq!(refused(&nested(2_000)), None);
        assert!(refused(&nested(2_200)).unwrap().contains("names"));
        let fields = "int32 abc = 1;".repeat(1_000);
        for text in ["package x.Y; message A { Z }", "message A { Z } package x.Y;"] {
            let text = |package: &str| text.replace("x.Y", package).replace('Z', &fields);
            assert_eq!(refused(&text(&["p"; 64].join("."))), None);
            assert!(refused(&text(&vec!["p".repeat(300); 60].join("."))).unwrap().contains("names"));
        }
        // Closed once more than opened.
        assert_eq!(refused("message A {}}} message B {}"), None);
    }

    #[test]
    fn lines_are_told_where_that_does_not_take_long() {
        let located = |statement: &str, comment: usize| {
            Count::default().file(format!("{}//{}", statement.repeat(8_192), "x".repeat(comment)).as_bytes()).unwrap()
        };
        let text = LOCATED / 8_192 - 2 * 8_192 - 2;
        for statement in ["a;", "a,"] {
            assert!(located(statement, text) && !located(statement, text + 1));
        }
    }
}
