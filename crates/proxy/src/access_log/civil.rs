//! Calendar time in UTC. Not a clock: the time is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Appends `2026-01-31T23:59:59.123Z`, Envoy's default for `%START_TIME%`.
pub fn write_rfc3339_millis(time: SystemTime, out: &mut Vec<u8>) {
    // A clock before 1970 is a broken clock; it is shown as 1970.
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let second_of_day = seconds % 86_400;
    digits(out, year, 4);
    out.push(b'-');
    digits(out, month, 2);
    out.push(b'-');
    digits(out, day, 2);
    out.push(b'T');
    digits(out, second_of_day / 3600, 2);
    out.push(b':');
    digits(out, second_of_day / 60 % 60, 2);
    out.push(b':');
    digits(out, second_of_day % 60, 2);
    out.push(b'.');
    digits(out, u64::from(since_epoch.subsec_millis()), 3);
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
}
