//! Sizes, durations, times and modes as people read them.

use std::time::Duration;

use jiff::Timestamp;

/// A number of bytes: `512 B`, `1.2 MiB`.
///
/// ```
/// assert_eq!(rosettar_cli::output::human::bytes(1_258_291), "1.2 MiB");
/// ```
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut scaled, mut unit) = (count as f64, 0);
    // 1023.95 would be printed as 1024.0.
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{scaled:.1} {}", UNITS[unit]) }
}

/// A count with its digits in groups: `336 776`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A time span: `35 ms`, `1.5 s`, `2 min 05 s`, `3 h 07 min`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    if span < Duration::from_millis(999) {
        format!("{} ms", span.as_millis())
    } else if span < Duration::from_millis(59_950) {
        format!("{:.1} s", span.as_secs_f64())
    } else if seconds < 3600 {
        let seconds = seconds.max(60);
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)
    }
}

/// A point in time, in seconds since 1970, as ISO 8601 in UTC: `2013-01-01T05:00:00Z`; beyond the years 0 to 9999 as
/// `@SECONDS`, which `date -d` reads too.
pub fn utc(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) if (0..=9999).contains(&time.to_zoned(jiff::tz::TimeZone::UTC).year()) => time.to_string(),
        _ => format!("@{seconds}"),
    }
}

/// What kind of entry a mode string begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// `-`
    File,
    /// `d`
    Directory,
    /// `l`
    Link,
}

/// The nine permission bits as `ls -l` shows them: `-rw-r--r--`.
pub fn mode(kind: EntryType, bits: u32) -> String {
    let mut text = String::with_capacity(10);
    text.push(match kind {
        EntryType::File => '-',
        EntryType::Directory => 'd',
        EntryType::Link => 'l',
    });
    for (shift, letter) in (0..9).rev().zip("rwxrwxrwx".chars()) {
        text.push(if bits >> shift & 1 == 1 { letter } else { '-' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(336_776), "336 776");
        assert_eq!(count(1_000_000), "1 000 000");
    }

    #[test]
    fn times() {
        for (millis, text) in [
            (0, "0 ms"),
            (35, "35 ms"),
            (999, "1.0 s"),
            (1500, "1.5 s"),
            (59_949, "59.9 s"),
            (59_960, "1 min 00 s"),
            (125_000, "2 min 05 s"),
            (11_220_000, "3 h 07 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(utc(1_357_016_400), "2013-01-01T05:00:00Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
        assert_eq!(utc(8_589_934_592), "2242-03-16T12:56:32Z");
        assert_eq!(utc(i64::MAX), "@9223372036854775807");
        assert_eq!(utc(-99_999_999_999), "@-99999999999");
    }

    #[test]
    fn modes() {
        assert_eq!(mode(EntryType::File, 0o644), "-rw-r--r--");
        assert_eq!(mode(EntryType::Directory, 0o755), "drwxr-xr-x");
        assert_eq!(mode(EntryType::Link, 0o777), "lrwxrwxrwx");
        assert_eq!(mode(EntryType::File, 0), "----------");
    }
}
