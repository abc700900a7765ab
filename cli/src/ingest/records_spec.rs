//! The argument of `--records`.

use rosettar::error::code;
use rosettar::{Error, Result};

use super::Format;

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// The file with this name.
    File(String),
}

/// One `--records NAME:TYPE=FILE`: a stream's name, the full name of its message type, and the file with its records.
///
/// The format is that of the file's suffix: `.csv`; `.jsonl`, `.ndjson`; `.binpb`, `.pb`. `NAME:TYPE=FORMAT:FILE` states
/// it instead, with `csv`, `jsonl` or `binpb` for FORMAT, and must where FILE is `-`, standard input. FILE may contain
/// `=` and `:`; only a file whose name itself begins with `csv:` and the like has to be written as `./csv:…`.
///
/// ```
/// use rosettar_cli::ingest::{Format, RecordsSpec, Source};
///
/// let spec = RecordsSpec::parse("flights:demo.Flight=csv:-")?;
/// assert_eq!((spec.stream.as_str(), spec.type_name.as_deref()), ("flights", Some("demo.Flight")));
/// assert_eq!((spec.format, spec.source), (Format::Csv, Source::Stdin));
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsSpec {
    /// The stream's name.
    pub stream: String,
    /// The full name of the message type, without a leading point; `None` where it is that of a stream that is there.
    pub type_name: Option<String>,
    /// The format of the records.
    pub format: Format,
    /// Where they are.
    pub source: Source,
}

impl RecordsSpec {
    /// Parses the argument.
    ///
    /// # Errors
    /// `usage.option` when it is not of that form, or does not tell the format.
    pub fn parse(text: &str) -> Result<Self> {
        let spec = Self::parse_extending(text)?;
        if spec.type_name.is_none() {
            let message = format!("--records {text:?}: it names no message type; expected NAME:TYPE=FILE");
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        Ok(spec)
    }

    /// As [`parse`](Self::parse), where the type may be left out, `NAME=FILE`, because the stream is there and has one.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_extending(text: &str) -> Result<Self> {
        let refuse =
            |why: &str| Error::new(code::USAGE_OPTION, format!("--records {text:?}: {why}; expected NAME:TYPE=FILE"));
        let (head, rest) = text.split_once('=').ok_or_else(|| refuse("it names no file"))?;
        let (stream, type_name) = match head.split_once(':') {
            Some((stream, name)) => (stream, Some(name.strip_prefix('.').unwrap_or(name))),
            None => (head, None),
        };
        if stream.is_empty() {
            return Err(refuse("it names no stream"));
        }
        let part_is_name = |part: &str| {
            !part.is_empty()
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some(type_name) = type_name.filter(|name| !name.split('.').all(part_is_name)) {
            return Err(refuse(&format!("{type_name:?} is not a message type's full name, such as demo.Flight")));
        }
        let stated = rest.split_once(':').and_then(|(name, file)| Some((Format::from_name(name)?, file)));
        let (format, file) = match stated {
            Some((format, file)) => (Some(format), file),
            None => (None, rest),
        };
        if file.is_empty() {
            return Err(refuse("it names no file"));
        }
        let format = format.or_else(|| Format::of_file(file)).ok_or_else(|| {
            Error::new(
                code::USAGE_OPTION,
                format!(
                    "--records {text:?}: {file:?} does not tell its format by .csv, .jsonl, .ndjson, .binpb or .pb; \
                     state it, as in {head}=csv:{file}, with csv, jsonl or binpb"
                ),
            )
        })?;
        let source = if file == "-" { Source::Stdin } else { Source::File(file.to_owned()) };
        Ok(Self { stream: stream.to_owned(), type_name: type_name.map(str::to_owned), format, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones() {
        for (text, format, source) in [
            ("a:p.T=x.csv", Format::Csv, Source::File("x.csv".into())),
            ("a:T=x.CSV", Format::Csv, Source::File("x.CSV".into())),
            ("a:.p.T=d/x.ndjson", Format::Jsonl, Source::File("d/x.ndjson".into())),
            ("a:p.T=k=v:w.pb", Format::Binpb, Source::File("k=v:w.pb".into())),
            ("a:p.T=binpb:-", Format::Binpb, Source::Stdin),
            ("a:p.T=jsonl:x.csv", Format::Jsonl, Source::File("x.csv".into())),
            ("a:p.T=C:\\x.csv", Format::Csv, Source::File("C:\\x.csv".into())),
            ("a:p.T=csv:jsonl:x", Format::Csv, Source::File("jsonl:x".into())),
        ] {
            let spec = RecordsSpec::parse(text).unwrap();
            assert_eq!((spec.format, spec.source), (format, source), "{text}");
            assert!(!spec.type_name.unwrap().starts_with('.'));
        }
        let spec = RecordsSpec::parse_extending("a=csv:x:y").unwrap();
        assert_eq!((spec.type_name, spec.source), (None, Source::File("x:y".into())));
    }

    #[test]
    fn bad_ones() {
        for text in [
            "",
            "a",
            "a:p.T",
            "a=x.csv",
            ":p.T=x.csv",
            "a:=x.csv",
            "a:p..T=x.csv",
            "a:1.T=x.csv",
            "a:p.T=",
            "a:p.T=csv:",
            "a:p.T=-",
            "a:p.T=x",
            "a:p.T=x.json",
            "a:p.T=x.txt",
        ] {
            let error = RecordsSpec::parse(text).unwrap_err();
            assert!(error.is(code::USAGE_OPTION), "{text:?}");
        }
        assert_eq!(
            RecordsSpec::parse("a:p.T=-").unwrap_err().message(),
            "--records \"a:p.T=-\": \"-\" does not tell its format by .csv, .jsonl, .ndjson, .binpb or .pb; \
             state it, as in a:p.T=csv:-, with csv, jsonl or binpb"
        );
    }
}
