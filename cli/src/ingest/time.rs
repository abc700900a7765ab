//! The text forms of `google.protobuf.Timestamp` and `Duration`.

/// The seconds of 0001-01-01T00:00:00Z and of 9999-12-31T23:59:59Z: the range of a `Timestamp`.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// The greatest number of seconds in a `Duration`, 10 000 years.
const MOST_DURATION: u64 = 315_576_000_000;

/// Parses an RFC 3339 date and time: `2013-01-01T05:00:00Z`, with up to nine digits after the second, `Z` or an offset
/// such as `-05:00`, and `T` or a space before the time (RFC 3339, 5.6). Leap seconds have no place in a `Timestamp`.
pub(super) fn timestamp(text: &str) -> Option<(i64, i32)> {
    let bytes = text.as_bytes();
    let head = bytes.get(..19)?;
    if head[4] != b'-' || head[7] != b'-' || head[13] != b':' || head[16] != b':' {
        return None;
    }
    if !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = digits(&head[..4])?;
    let (month, day) = (digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, rest) = fraction(&bytes[19..])?;
    let offset = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 && zone[2] == b':' => {
            let (hours, minutes) = (digits(&zone[..2])?, digits(&zone[3..])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    TIMESTAMPS.contains(&seconds).then_some((seconds, nanos))
}

/// Parses a number of seconds such as `1.5s` or `-0.000000001s`.
pub(super) fn duration(text: &str) -> Option<(i64, i32)> {
    let (negative, digits_and_more) = match text.strip_suffix('s')?.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_suffix('s')?),
    };
    let end = digits_and_more.bytes().position(|b| b == b'.').unwrap_or(digits_and_more.len());
    let (whole, rest) = digits_and_more.split_at(end);
    if whole.is_empty() || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: u64 = whole.parse().ok()?;
    let (nanos, rest) = fraction(rest.as_bytes())?;
    if !rest.is_empty() || seconds > MOST_DURATION || (seconds == MOST_DURATION && nanos > 0) {
        return None;
    }
    let seconds = seconds.cast_signed();
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

/// Splits `.5Z` into nanoseconds and the rest; without a point there are none.
fn fraction(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let Some(after) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let len = after.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 || len > 9 {
        return None;
    }
    let mut nanos = 0;
    for i in 0..9 {
        nanos = nanos * 10 + after[..len].get(i).map_or(0, |b| i32::from(b - b'0'));
    }
    Some((nanos, &after[len..]))
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2013-01-01T05:00:00Z", (1_357_016_400, 0)),
            ("2013-01-01 00:00:00-05:00", (1_357_016_400, 0)),
            ("2013-01-01t05:00:00.5z", (1_357_016_400, 500_000_000)),
            ("2000-02-29T23:59:59.123456789+00:00", (951_868_799, 123_456_789)),
            ("0001-01-01T00:00:00Z", (*TIMESTAMPS.start(), 0)),
            ("9999-12-31T23:59:59.999999999Z", (*TIMESTAMPS.end(), 999_999_999)),
        ] {
            assert_eq!(timestamp(text), Some(expected), "{text}");
        }
        for bad in [
            "",
            "2013-01-01",
            "2013-01-01T05:00Z",
            "2013-01-01T05:00:00",
            "2013-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2013-13-01T00:00:00Z",
            "2013-00-01T00:00:00Z",
            "2013-01-32T00:00:00Z",
            "2013-01-01T24:00:00Z",
            "2013-01-01T00:60:00Z",
            "2013-01-01T00:00:60Z",
            "2013-01-01T00:00:00.Z",
            "2013-01-01T00:00:00.1234567890Z",
            "2013-01-01T00:00:00+5:00",
            "2013-01-01T00:00:00+05:0",
            "2013-01-01T00:00:00ZZ",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "0000-12-31T00:00:00Z",
            "2013/01/01T00:00:00Z",
            "é013-01-01T00:00:00Z",
        ] {
            assert_eq!(timestamp(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn timestamps_agree_with_jiff_on_every_day() {
        let mut date = jiff::civil::date(1899, 12, 31);
        while date.year() < 2110 {
            let text = format!("{date}T12:34:56Z");
            let expected: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(timestamp(&text), Some((expected.as_second(), 0)), "{text}");
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0s", (0, 0)),
            ("1.5s", (1, 500_000_000)),
            ("-1.5s", (-1, -500_000_000)),
            ("-0.000000001s", (0, -1)),
            ("315576000000s", (315_576_000_000, 0)),
        ] {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        for bad in ["", "s", "-s", "1.5", "1.s", ".5s", "1m", "+1s", "1e3s", "315576000000.1s", "315576000001s", " 1s"]
        {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }
}
