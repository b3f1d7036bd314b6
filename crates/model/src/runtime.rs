//! Values that an operator may set by name while the configuration stays as it is: Envoy's runtime. What is set is in layers;
//! which layer wins is `ripstop-policy`'s to say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{ConfigFile, Name, Percent};

/// A share of requests that may be set by name; Envoy's `RuntimeFractionalPercent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeFraction {
    /// The name; empty: it cannot be set.
    pub key: Name,
    /// What holds when it is not set.
    pub default: Percent,
}

impl RuntimeFraction {
    /// A share that nobody can change by name.
    pub fn fixed(share: Percent) -> RuntimeFraction {
        RuntimeFraction { key: Name::from(""), default: share }
    }
}

/// A percentage that may be set by name; Envoy's `RuntimePercent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimePercent {
    /// The name; empty: it cannot be set.
    pub key: Name,
    /// What holds when it is not set, or set to something outside 0 to 100.
    pub default: Percent,
}

/// A switch that may be set by name; Envoy's `RuntimeFeatureFlag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeFeature {
    /// The name; empty: it cannot be set.
    pub key: Name,
    /// What holds when it is not set.
    pub default: bool,
}

/// A number that may be set by name; Envoy's `RuntimeUInt32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeUint {
    /// The name; empty: it cannot be set.
    pub key: Name,
    /// What holds when it is not set.
    pub default: u32,
}

/// One value that is set. It can be read in several ways: `50` is a number and a share, `true` is a switch.
#[derive(Clone, Debug, Default)]
pub struct RuntimeValue {
    /// As it is shown to people.
    pub text: String,
    /// As a number.
    pub number: Option<f64>,
    /// As a switch.
    pub switch: Option<bool>,
    /// As a share, where it is written as one (`numerator`, `denominator`).
    pub share: Option<Percent>,
}

impl PartialEq for RuntimeValue {
    /// Numbers are compared bit by bit, so that "not a number" does not count as a change for ever.
    fn eq(&self, other: &RuntimeValue) -> bool {
        self.text == other.text
            && self.number.map(f64::to_bits) == other.number.map(f64::to_bits)
            && self.switch == other.switch
            && self.share == other.share
    }
}

impl Eq for RuntimeValue {}

impl RuntimeValue {
    /// A number.
    pub fn number(number: f64) -> RuntimeValue {
        RuntimeValue { text: number.to_string(), number: Some(number), ..RuntimeValue::default() }
    }

    /// A switch.
    pub fn switch(switch: bool) -> RuntimeValue {
        RuntimeValue { text: switch.to_string(), switch: Some(switch), ..RuntimeValue::default() }
    }

    /// A share.
    pub fn share(text: String, share: Percent) -> RuntimeValue {
        RuntimeValue { text, share: Some(share), ..RuntimeValue::default() }
    }

    /// A text, which is a number or a switch if it reads like one. Space around it does not count.
    pub fn text(text: impl Into<String>) -> RuntimeValue {
        let text = text.into();
        let word = text.trim_ascii();
        let switch = match word {
            _ if word.eq_ignore_ascii_case("true") => Some(true),
            _ if word.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        let number = word.parse().ok().filter(|_| switch.is_none());
        RuntimeValue { number, switch, share: None, text }
    }

    /// As a whole number: what stands before the point. `None` for what is negative or beyond 64 bits.
    pub fn as_u64(&self) -> Option<u64> {
        // The bound is 2^64, which `f64` has exactly; below it the cast cuts off the fraction and nothing else.
        self.number.filter(|number| (0.0..18_446_744_073_709_551_616.0).contains(number)).map(|n| n as u64)
    }
}

/// Values by name. Names with dots are as common as in properties files, and mean nothing here.
pub type RuntimeValues = BTreeMap<String, RuntimeValue>;

/// Envoy's `Runtime` resource: the values of a layer that are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentLayer {
    /// Unique among these resources.
    pub name: Name,
    /// The values.
    pub values: RuntimeValues,
}

/// One layer; later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeLayer {
    /// Unique among the layers.
    pub name: String,
    /// Where its values come from.
    pub source: RuntimeSource,
}

/// Where the values of a layer come from.
#[derive(Clone, Debug, PartialEq)]
pub enum RuntimeSource {
    /// They stand in the bootstrap.
    Static(RuntimeValues),
    /// Files, one for each value, in directories that are parts of the names.
    Disk(RuntimeDirectory),
    /// They are set on the admin page `/runtime_modify`.
    Admin,
    /// They are sent (RTDS).
    Discovery {
        /// Name of the resource that holds them.
        name: Name,
        /// The file that it is in; `None`: ADS brings it.
        file: Option<ConfigFile>,
    },
}

/// The directory of a layer of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeDirectory {
    /// What is replaced when values change: usually a symbolic link.
    pub root: PathBuf,
    /// The directory within it; empty: itself.
    pub subdirectory: PathBuf,
    /// Whether the name of the node's cluster is one more directory below.
    pub append_service_cluster: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_or_switches_where_they_read_like_one() {
        let number = |text: &str| RuntimeValue::text(text).number;
        assert_eq!(number("42"), Some(42.0));
        assert_eq!(number(" 42 "), Some(42.0));
        assert_eq!(number("hello"), None);
        assert_eq!(RuntimeValue::text("TRUE").switch, Some(true));
        assert_eq!(RuntimeValue::text("yes").switch, None);
        assert_eq!(RuntimeValue::text("99.5").as_u64(), Some(99));
    }

    #[test]
    fn negative_and_enormous_numbers_are_no_whole_numbers() {
        for number in [-3.0, -0.1, 1e20, f64::NAN, f64::INFINITY] {
            assert_eq!(RuntimeValue::number(number).as_u64(), None, "{number}");
        }
        assert_eq!(RuntimeValue::number(5e9).as_u64(), Some(5_000_000_000));
    }
}
