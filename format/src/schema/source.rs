//! What `.proto` source text may have before protox sees it.
//!
//! protox 0.10 was written for what people write. A value of an option that nests 100 000 deep overflows its stack, a package
//! of a million parts takes gigabytes, and a list of a million options minutes. So the text is first counted, without being
//! understood: what is not `.proto` protox refuses.

use std::ops::Range;

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

/// Escapes in strings, `#`, and characters that mean nothing, of all files together: of each, protox keeps an error.
const ODDITIES: usize = 1 << 20;
/// Numbers with letters in them, of all files together: protox writes each out, and so makes 311 characters of `1e308`.
const EXPONENTS: usize = 65_536;
/// Bytes of the options of ranges for extensions, of all files together, as often as protox copies them: for each range.
const RANGE_OPTIONS: usize = 4 << 20;
/// How many statements and commas, times bytes, files may have in which protox tells the line of each error: it goes through
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
    exponents: usize,
    range_options: usize,
    located: usize,
    /// Bytes of the full names of all that is defined, or a little more.
    names: usize,
}

/// A text that was counted.
pub(super) struct Counted {
    /// With blanks in place of comments: a descriptor set has none.
    pub(super) text: Vec<u8>,
    /// Whether protox may tell the line of each error in it.
    pub(super) located: bool,
}

impl Count {
    /// Counts a file.
    ///
    /// # Errors
    /// `schema.too-large`; `schema.compile` for a comment within a comment.
    pub(super) fn file(&mut self, text: &[u8]) -> Result<Counted> {
        self.files += 1;
        within(self.files, limit::FILES, "files")?;
        self.bytes += text.len() as u64;
        if self.bytes > BYTES {
            return Err(exceeded(BYTES, "bytes in all files together"));
        }
        let before = self.statements + self.commas;
        // A bracket is closed by one of its own kind only.
        let (mut open, mut parts, mut scope) = ([0usize; BRACKETS.len()], 1, Scope::default());
        let mut blanked = Blanked { text, copied: 0, out: Vec::with_capacity(text.len()) };
        let mut tokens = Tokens(text);
        while let Some(token) = tokens.next() {
            let at = text.len() - tokens.0.len();
            match token {
                Token::Comment(comment) => {
                    if comment.get(2..).is_some_and(|inner| comment[1] == b'*' && holds(inner, b"/*")) {
                        let message = "a comment within a comment: expected it to end first";
                        return Err(Error::new(code::SCHEMA_COMPILE, message));
                    }
                    // Of one that does not end protox tells so.
                    if comment[1] == b'/' || comment.len() >= 4 && comment.ends_with(b"*/") {
                        blanked.leave_out(at - comment.len()..at);
                    }
                    continue;
                }
                Token::Word(word) => {
                    scope.word(word);
                    let is_number = word[0].is_ascii_digit() && !word.starts_with(b"0x") && !word.starts_with(b"0X");
                    if is_number && word.iter().any(u8::is_ascii_alphabetic) {
                        self.exponents += 1;
                        within(self.exponents, EXPONENTS, "numbers with letters in them")?;
                    }
                    continue;
                }
                Token::Mark(b'.') => {
                    parts += 1;
                    within(parts, NAME_PARTS, "parts in one name")?;
                    continue;
                }
                Token::Mark(b',') => {
                    self.commas += 1;
                    scope.ranges += usize::from(open[1] == 0);
                }
                Token::Mark(mark) => {
                    for (open, [begin, end]) in open.iter_mut().zip(BRACKETS) {
                        *open = (*open + usize::from(mark == begin)).saturating_sub(usize::from(mark == end));
                    }
                    within(open.iter().sum(), DEPTH, "brackets inside one another")?;
                    // The value of an option has fields with nothing between them. Parentheses are around names.
                    let begins = matches!(mark, b';' | b':' | b'{' | b'[' | b'<');
                    self.statements += usize::from(begins);
                    if scope.first == First::Extensions && open[1] > 0 {
                        scope.options.get_or_insert(at);
                    } else if let Some(from) = scope.options.take() {
                        self.range_options += (scope.ranges + 1).saturating_mul(at - from);
                        within(self.range_options, RANGE_OPTIONS, "bytes of options of ranges")?;
                    }
                    // What is in a list belongs to the statement around it.
                    self.names += if open[1] == 0 { scope.mark(mark) } else { 0 };
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
        let cost = statements.saturating_mul(text.len());
        let located = cost <= LOCATED - self.located;
        self.located += if located { cost } else { 0 };
        Ok(Counted { text: blanked.finish(), located })
    }
}

fn holds(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

/// A text whose comments become blanks.
struct Blanked<'a> {
    text: &'a [u8],
    copied: usize,
    out: Vec<u8>,
}

impl Blanked<'_> {
    /// A blank for each character, so that what follows keeps its line and column.
    fn leave_out(&mut self, comment: Range<usize>) {
        self.out.extend_from_slice(&self.text[self.copied..comment.start]);
        let characters = self.text[comment.clone()].iter().filter(|byte| **byte & 0xc0 != 0x80);
        self.out.extend(characters.map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        self.copied = comment.end;
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.text[self.copied..]);
        self.out
    }
}

/// What a statement begins with.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum First {
    #[default]
    Nothing,
    Package,
    Extensions,
    Other,
}

/// Where a definition is, as far as that makes its full name longer.
#[derive(Default)]
struct Scope {
    /// Bytes of the name of the package.
    package: usize,
    /// Bytes of the names that the blocks around have.
    blocks: Vec<usize>,
    around: usize,
    /// Of the statement at hand: what it begins with, how many commas come before its options and where these begin, the
    /// longest word, and all of them.
    first: First,
    ranges: usize,
    options: Option<usize>,
    longest: usize,
    all: usize,
}

impl Scope {
    fn word(&mut self, word: &[u8]) {
        if self.first == First::Nothing {
            self.first = match word {
                b"package" => First::Package,
                b"extensions" => First::Extensions,
                _ => First::Other,
            };
        }
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
                if self.first == First::Package {
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
        (self.first, self.ranges, self.options) = (First::Nothing, 0, None);
        (self.longest, self.all) = (0, 0);
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

/// The tokens of a text.
struct Tokens<'a>(&'a [u8]);

enum Token<'a> {
    /// From its beginning to its end. One that begins with `#`, which has no place here, is [odd](Self::Odd).
    Comment(&'a [u8]),
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

    /// Goes on after the first place from `from` on where `end` stands, or to the end.
    fn skip_past(&mut self, from: usize, end: &[u8]) {
        let place = self.0[from..].windows(end.len()).position(|window| window == end);
        self.skip(place.map_or(self.0.len(), |place| from + place + end.len()));
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            match *self.0 {
                [] => return None,
                [b'#', ..] => {
                    self.skip_past(1, b"\n");
                    return Some(Token::Odd);
                }
                [b'/', next @ (b'/' | b'*'), ..] => {
                    let before = self.0;
                    self.skip_past(2, if next == b'/' { b"\n" } else { b"*/" });
                    return Some(Token::Comment(&before[..before.len() - self.0.len()]));
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
        (0..limit::FILES).for_each(|_| assert!(count.file(b";").unwrap().located));
        assert!(count.file(b"").err().unwrap().message().contains("4096 files"));
        let mut count = Count::default();
        let piece = vec![b' '; 16 << 20];
        (0..4).for_each(|_| assert!(count.file(&piece).unwrap().located));
        assert!(count.file(b" ").err().unwrap().message().contains("bytes in all"));
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
            Count::default()
                .file(format!("{}//{}", statement.repeat(8_192), "x".repeat(comment)).as_bytes())
                .unwrap()
                .located
        };
        let text = LOCATED / 8_192 - 2 * 8_192 - 2;
        for statement in ["a;", "a,"] {
            assert!(located(statement, text) && !located(statement, text + 1));
        }
    }
}
