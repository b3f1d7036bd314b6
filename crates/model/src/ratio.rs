//! A share of a whole, exact to one millionth. Not a weight: weights are plain `u32`.

use std::fmt;

/// A fraction between 0 and 1, kept in millionths, which is the finest denominator of Envoy's
/// `FractionalPercent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Percent {
    per_million: u32,
}

impl Percent {
    /// Nothing.
    pub const ZERO: Percent = Percent { per_million: 0 };
    /// Everything.
    pub const ALL: Percent = Percent { per_million: 1_000_000 };

    /// From millionths; more than a million is everything.
    pub const fn per_million(parts: u32) -> Percent {
        Percent { per_million: if parts < 1_000_000 { parts } else { 1_000_000 } }
    }

    /// From whole percent; more than a hundred is everything.
    pub const fn whole(percent: u32) -> Percent {
        Percent::per_million(percent.saturating_mul(10_000))
    }

    /// From a number between 0 and 100, rounded to the nearest millionth. `None` outside that range.
    pub fn from_f64(percent: f64) -> Option<Percent> {
        if !(0.0..=100.0).contains(&percent) {
            return None;
        }
        // In range by the check above, so the cast cannot truncate.
        Some(Percent { per_million: (percent * 10_000.0).round() as u32 })
    }

    /// Millionths, 0 to 1,000,000.
    pub fn as_per_million(self) -> u32 {
        self.per_million
    }

    /// A number between 0 and 100.
    pub fn as_f64(self) -> f64 {
        f64::from(self.per_million) / 10_000.0
    }

    /// The share of `n`, rounded down.
    pub fn of(self, n: u64) -> u64 {
        let parts = u128::from(n) * u128::from(self.per_million) / 1_000_000;
        // At most `n`, because the share is at most the whole.
        u64::try_from(parts).unwrap_or(n)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.as_f64())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn percentages_convert_and_bound() {
        assert_eq!(Percent::whole(50).of(9), 4);
        assert_eq!(Percent::whole(300), Percent::ALL);
        assert_eq!(Percent::from_f64(0.1).unwrap().as_per_million(), 1_000);
        assert_eq!(Percent::from_f64(100.1), None);
        assert_eq!(Percent::from_f64(f64::NAN), None);
        assert_eq!(Percent::ALL.of(u64::MAX), u64::MAX);
        assert_eq!(Percent::from_f64(12.5).unwrap().to_string(), "12.5%");
    }
}
