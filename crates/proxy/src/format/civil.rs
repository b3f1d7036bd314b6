//! Calendar time in UTC. Not a clock: the time is an argument.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ripstop_model::format::time::{TimeFormat, TimePiece};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A moment taken apart.
struct Civil {
    epoch_seconds: u64,
    nanos: u32,
    year: u64,
    /// 1 to 12.
    month: u64,
    /// 1 to 31.
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    /// 0 (Sunday) to 6.
    weekday: u64,
    /// 0 to 365.
    day_of_year: u64,
}

impl Civil {
    fn of(time: SystemTime) -> Civil {
        // A clock before 1970 is a broken clock; it is shown as 1970.
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seconds = since_epoch.as_secs();
        let days = seconds / 86_400;
        let (year, month, day) = date(days);
        let second_of_day = seconds % 86_400;
        Civil {
            epoch_seconds: seconds,
            nanos: since_epoch.subsec_nanos(),
            year,
            month,
            day,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
            // 1970 began on a Thursday.
            weekday: (days + 4) % 7,
            day_of_year: days - first_day(year),
        }
    }

    /// Day 1 (Monday) to 7.
    fn iso_weekday(&self) -> u64 {
        if self.weekday == 0 { 7 } else { self.weekday }
    }

    /// Year and week of ISO 8601: weeks begin on Mondays and belong to the year of their Thursday.
    fn iso_week(&self) -> (u64, u64) {
        let week = (self.day_of_year + 11 - self.iso_weekday()) / 7;
        if week == 0 {
            let before = self.year.saturating_sub(1);
            let day_of_year = self.day_of_year + first_day(self.year) - first_day(before);
            return (before, (day_of_year + 11 - self.iso_weekday()) / 7);
        }
        let days = first_day(self.year + 1) - first_day(self.year);
        // The Thursday of this week lies in the year after.
        if self.day_of_year + 4 >= days + self.iso_weekday() {
            return (self.year + 1, 1);
        }
        (self.year, week)
    }

    fn hour12(&self) -> u64 {
        if self.hour.is_multiple_of(12) { 12 } else { self.hour % 12 }
    }

    fn day_name(&self) -> &'static str {
        DAYS.get(self.weekday as usize).copied().unwrap_or_default()
    }

    fn month_name(&self) -> &'static str {
        MONTHS.get(self.month as usize - 1).copied().unwrap_or_default()
    }

    fn write(&self, specifier: char, out: &mut Vec<u8>) {
        match specifier {
            'a' => out.extend_from_slice(&self.day_name().as_bytes()[..3]),
            'A' => out.extend_from_slice(self.day_name().as_bytes()),
            'b' | 'h' => out.extend_from_slice(&self.month_name().as_bytes()[..3]),
            'B' => out.extend_from_slice(self.month_name().as_bytes()),
            'c' => self.write_all("a b e T Y", out),
            'D' | 'x' => self.joined("mdy", b'/', out),
            'F' => self.joined("Ymd", b'-', out),
            'R' => self.joined("HM", b':', out),
            'T' | 'X' => self.joined("HMS", b':', out),
            'r' => {
                self.joined("IMS", b':', out);
                self.write_all(" p", out);
            }
            'p' => out.extend_from_slice(if self.hour < 12 { b"AM" } else { b"PM" }),
            'P' => out.extend_from_slice(if self.hour < 12 { b"am" } else { b"pm" }),
            'e' => blank_padded(out, self.day),
            'k' => blank_padded(out, self.hour),
            'l' => blank_padded(out, self.hour12()),
            'z' => out.extend_from_slice(b"+0000"),
            'Z' => out.extend_from_slice(b"UTC"),
            other => {
                let (value, width) = self.number(other);
                digits(out, value, width);
            }
        }
    }

    /// Value and width of a specifier that is a number.
    fn number(&self, specifier: char) -> (u64, u32) {
        match specifier {
            'C' => (self.year / 100, 2),
            'd' => (self.day, 2),
            'G' => (self.iso_week().0, 4),
            'g' => (self.iso_week().0 % 100, 2),
            'H' => (self.hour, 2),
            'I' => (self.hour12(), 2),
            'j' => (self.day_of_year + 1, 3),
            'm' => (self.month, 2),
            'M' => (self.minute, 2),
            'S' => (self.second, 2),
            'u' => (self.iso_weekday(), 1),
            'U' => ((self.day_of_year + 7 - self.weekday) / 7, 2),
            'V' => (self.iso_week().1, 2),
            'w' => (self.weekday, 1),
            'W' => ((self.day_of_year + 8 - self.iso_weekday()) / 7, 2),
            'y' => (self.year % 100, 2),
            _ => (self.year, 4),
        }
    }

    fn joined(&self, specifiers: &str, by: u8, out: &mut Vec<u8>) {
        for (index, specifier) in specifiers.chars().enumerate() {
            if index > 0 {
                out.push(by);
            }
            self.write(specifier, out);
        }
    }

    fn write_all(&self, specifiers: &str, out: &mut Vec<u8>) {
        for specifier in specifiers.chars() {
            if specifier == ' ' { out.push(b' ') } else { self.write(specifier, out) }
        }
    }
}

/// Appends a moment as the format says.
pub fn write(time: SystemTime, format: &TimeFormat, out: &mut Vec<u8>) {
    if format.pieces().is_empty() {
        return write_rfc3339_millis(time, out);
    }
    let civil = Civil::of(time);
    for piece in format.pieces() {
        match piece {
            TimePiece::Text(text) => out.extend_from_slice(text.as_bytes()),
            TimePiece::Calendar(specifier) => civil.write(*specifier, out),
            TimePiece::EpochSeconds => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{}", civil.epoch_seconds);
            }
            TimePiece::Fraction(width) => fraction(out, civil.nanos, *width),
            TimePiece::Seconds(width) => {
                digits(out, civil.second, 2);
                if *width > 0 {
                    out.push(b'.');
                    fraction(out, civil.nanos, *width);
                }
            }
            TimePiece::FullPrecision { seconds } => full_precision(&civil, *seconds, out),
            TimePiece::Offset => out.extend_from_slice(b"+00:00"),
        }
    }
}

fn full_precision(civil: &Civil, seconds: bool, out: &mut Vec<u8>) {
    let start = out.len();
    if seconds {
        digits(out, civil.second, 2);
        out.push(b'.');
    }
    fraction(out, civil.nanos, 9);
    let kept = out.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1).max(start);
    out.truncate(kept);
    if out.last() == Some(&b'.') {
        out.pop();
    } else if out.len() == start {
        out.push(b'0');
    }
}

/// Appends `2026-01-31T23:59:59.123Z`, Envoy's default for `%START_TIME%`.
pub fn write_rfc3339_millis(time: SystemTime, out: &mut Vec<u8>) {
    let civil = Civil::of(time);
    civil.write('F', out);
    out.push(b'T');
    civil.write('T', out);
    out.push(b'.');
    fraction(out, civil.nanos, 3);
    out.push(b'Z');
}

/// Year, month (1 to 12) and day (1 to 31) of the day so many days after 1970-01-01.
///
/// Counts in 400-year cycles that begin on the first of March, so that the leap day is the last day
/// of a cycle's year.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_PER_CYCLE: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let cycle = days / DAYS_PER_CYCLE;
    let day_of_cycle = days % DAYS_PER_CYCLE;
    let leap_days = day_of_cycle / 1460 + day_of_cycle / (DAYS_PER_CYCLE - 1);
    let year_of_cycle = (day_of_cycle - leap_days + day_of_cycle / 36_524) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (cycle * 400 + year_of_cycle + u64::from(month <= 2), month, day)
}

/// How many days after 1970-01-01 a year begins; 0 for earlier ones.
fn first_day(year: u64) -> u64 {
    const LEAP_DAYS_TO_1970: u64 = 477;
    let before = year.max(1970) - 1;
    let leap_days = before / 4 - before / 100 + before / 400;
    (before - 1969) * 365 + leap_days - LEAP_DAYS_TO_1970
}

fn blank_padded(out: &mut Vec<u8>, value: u64) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value:>2}");
}

/// The first digits of a fraction of a second.
fn fraction(out: &mut Vec<u8>, nanos: u32, width: u8) {
    let width = u32::from(width.clamp(1, 9));
    digits(out, u64::from(nanos) / 10u64.pow(9 - width), width);
}

fn digits(out: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10u64.pow(place) % 10;
        out.push(b'0' + digit as u8);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        let check = |seconds: u64, millis: u64, text: &str| {
            let mut out = Vec::new();
            write_rfc3339_millis(
                UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis),
                &mut out,
            );
            assert_eq!(String::from_utf8(out).unwrap(), text);
        };
        check(0, 0, "1970-01-01T00:00:00.000Z");
        check(951_782_399, 999, "2000-02-28T23:59:59.999Z");
        check(951_782_400, 0, "2000-02-29T00:00:00.000Z");
        check(951_868_800, 7, "2000-03-01T00:00:00.007Z");
        check(4_107_542_399, 0, "2100-02-28T23:59:59.000Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000Z");
        check(1_736_937_045, 123, "2025-01-15T10:30:45.123Z");
    }

    fn written(seconds: u64, nanos: u32, format: &str) -> String {
        let mut out = Vec::new();
        write(UNIX_EPOCH + Duration::new(seconds, nanos), &TimeFormat::parse(format), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The values that Envoy wrote for the same moment.
    #[test]
    fn specifiers_are_envoys() {
        let check = |format: &str, expected: &str| {
            assert_eq!(written(1_795_235_428, 593_551_000, format), expected, "{format}");
        };
        check("%1f %2f %3f %6f %9f %f", "5 59 593 593551 593551000 593551000");
        check("%s %s.%3f", "1795235428 1795235428.593");
        check("%E3S %E*S %E3f %E*f %E4Y %Ez %ET", "28.593 28.593551 593 593551 2026 +00:00 T");
        check("%A %a %B %b %h %C %D %e %F", "Saturday Sat November Nov Nov 20 11/21/26 21 2026-11-21");
        check("%G %g %H %I %j %k %l %M %m", "2026 26 04 04 325  4  4 30 11");
        check("%P %p %R %r %S %T %U %u %V %W %w", "am AM 04:30 04:30:28 AM 28 04:30:28 46 6 47 46 6");
        check("%X %Y %y %Z %z %c %Od", "04:30:28 2026 26 UTC +0000 Sat Nov 21 04:30:28 2026 21");
        check("%Q%J abc %v", "%Q%J abc %v");
    }

    #[test]
    fn weeks_belong_to_the_year_of_their_thursday() {
        check_week(1_609_459_200, "2020 53");
        check_week(1_735_603_200, "2025 01");
        check_week(1_704_067_200, "2024 01");
        check_week(1_230_768_000, "2009 01");
        check_week(1_293_840_000, "2010 52");
    }

    fn check_week(seconds: u64, expected: &str) {
        assert_eq!(written(seconds, 0, "%G %V"), expected, "{seconds}");
    }

    #[test]
    fn full_precision_drops_zeros() {
        assert_eq!(written(5, 0, "%E*S %E*f"), "05 0");
        assert_eq!(written(10, 500_000_000, "%E*S %E*f"), "10.5 5");
    }
}
