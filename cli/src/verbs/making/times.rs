//! What the options say of times.

use jiff::Timestamp;
use rosettar::error::code;
use rosettar::model::Mtime;
use rosettar::{Error, Result};

/// What `--created` and `--reproducible` say of times.
pub(in crate::verbs) struct Times {
    pub(super) created: Option<Mtime>,
    reproducible: bool,
    /// `SOURCE_DATE_EPOCH`, where it is set and asked for.
    latest: Option<i64>,
}

impl Times {
    pub(super) fn new(reproducible: bool, created: Option<&str>) -> Result<Self> {
        let latest = if reproducible { source_date_epoch()? } else { None };
        let created = match created {
            None => None,
            Some("now") => Some(match (reproducible, latest) {
                (true, Some(latest)) => Mtime::from_seconds(latest),
                (true, None) => {
                    let message = "--created now is not reproducible: set SOURCE_DATE_EPOCH, or state a time";
                    return Err(Error::new(code::USAGE_OPTION, message));
                }
                (false, _) => Mtime::from(std::time::SystemTime::now()),
            }),
            Some(text) => Some(parse_time(text)?),
        };
        Ok(Self { created, reproducible, latest })
    }

    pub(super) fn of_item(&self, (seconds, nanoseconds): (i64, u32)) -> (i64, u32) {
        match self.reproducible {
            true => (self.latest.map_or(seconds, |latest| seconds.min(latest)), 0),
            false => (seconds, nanoseconds),
        }
    }
}

fn source_date_epoch() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(seconds) => Ok(Some(seconds)),
        None => {
            let message = format!("SOURCE_DATE_EPOCH is {text:?}: expected a number of seconds since 1970");
            Err(Error::new(code::USAGE_OPTION, message))
        }
    }
}

fn parse_time(text: &str) -> Result<Mtime> {
    if let Some(seconds) = text.strip_prefix('@').and_then(|seconds| seconds.parse().ok()) {
        return Ok(Mtime::from_seconds(seconds));
    }
    let time: Timestamp = text.parse().map_err(|error| {
        let message =
            format!("--created {text:?}: expected a time such as 2013-01-01T05:00:00Z, @SECONDS or now: {error}");
        Error::new(code::USAGE_OPTION, message)
    })?;
    let (seconds, nanoseconds) = (time.as_second(), time.subsec_nanosecond());
    // Before 1970 jiff counts both parts downwards.
    Ok(match u32::try_from(nanoseconds) {
        Ok(nanoseconds) => Mtime { seconds, nanoseconds },
        Err(_) => Mtime { seconds: seconds - 1, nanoseconds: (1_000_000_000 + nanoseconds).unsigned_abs() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let of = |text: &str| parse_time(text).map(|time| (time.seconds, time.nanoseconds));
        assert_eq!(of("2013-01-01T05:00:00Z").unwrap(), (1_357_016_400, 0));
        assert_eq!(of("1969-12-31T23:59:59.25Z").unwrap(), (-1, 250_000_000));
        assert_eq!(of("1970-01-01T00:00:00.5+00:00").unwrap(), (0, 500_000_000));
        assert_eq!(of("@-7").unwrap(), (-7, 0));
        for bad in ["", "@", "@1.5", "yesterday", "2013-01-01", "1357016400"] {
            assert!(of(bad).unwrap_err().is(code::USAGE_OPTION), "{bad}");
        }
    }
}
