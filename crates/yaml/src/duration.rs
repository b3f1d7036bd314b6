//! Durations as Go, Istio and Kubernetes write them: `1h30m`, `10s`, `0.5s`, `100ms`. Not protobuf's JSON form.

use std::fmt;
use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// Nothing was written.
    Empty,
    /// A number without a unit behind it, such as `10`.
    NoUnit,
    /// A unit that does not exist, such as `10sec` or `1d`.
    UnknownUnit,
    /// Starts with a minus sign.
    Negative,
    /// A unit without a number before it, or anything else that is no number.
    NoNumber,
    /// Longer than 2^63 - 1 nanoseconds, about 292 years.
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a duration is empty",
            Self::NoUnit => "a duration lacks its unit",
            Self::UnknownUnit => "a duration has an unknown unit",
            Self::Negative => "a duration is negative",
            Self::NoNumber => "a duration lacks a number",
            Self::TooLong => "a duration is longer than 292 years",
        })
    }
}

impl std::error::Error for DurationError {}

/// Reads a sequence of decimal numbers, each with a unit: `ns`, `us` (or `µs`), `ms`, `s`, `m`, `h`.
///
/// # Errors
/// Says what is wrong with the text; negative durations and numbers without a unit are errors.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    let mut rest = text;
    let mut total_ns: u128 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let unit_ns = unit_ns(unit)?;
        total_ns = total_ns.checked_add(scaled(number, unit_ns)?).ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    let total_ns = i64::try_from(total_ns).map_err(|_| DurationError::TooLong)?;
    Ok(Duration::from_nanos(total_ns.unsigned_abs()))
}

fn unit_ns(unit: &str) -> Result<u128, DurationError> {
    Ok(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "" => return Err(DurationError::NoUnit),
        _ => return Err(DurationError::UnknownUnit),
    })
}

/// `number` (digits with at most one dot) times `unit_ns`, cut to whole nanoseconds.
fn scaled(number: &str, unit_ns: u128) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::NoNumber);
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| DurationError::TooLong)? };
    // Digits behind the 18th cannot make a nanosecond of any unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let fraction_ns = match fraction.parse::<u128>() {
        Ok(digits) => digits * unit_ns / 10u128.pow(u32::try_from(fraction.len()).unwrap_or(18)),
        Err(_) => 0,
    };
    Ok(u128::from(whole) * unit_ns + fraction_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        for (text, ns) in [
            ("10s", 10_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("0.5s", 500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("100ms", 100_000_000),
            ("2us", 2_000),
            ("2µs", 2_000),
            ("7ns", 7),
            ("0s", 0),
            ("1m0.000000001s", 60_000_000_001),
            ("0.0000000000000000000000001s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (text, error) in [
            ("", DurationError::Empty),
            ("10", DurationError::NoUnit),
            ("0", DurationError::NoUnit),
            ("10sec", DurationError::UnknownUnit),
            ("1d", DurationError::UnknownUnit),
            ("1 s", DurationError::UnknownUnit),
            ("-1s", DurationError::Negative),
            ("s", DurationError::NoNumber),
            (".s", DurationError::NoNumber),
            ("1.2.3s", DurationError::NoNumber),
            ("300000000h", DurationError::TooLong),
            ("99999999999999999999999s", DurationError::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }
}
