//! What is set by name, from all layers together. Not where the layers come from.

use std::collections::BTreeMap;

use ripstop_model::Percent;
use ripstop_model::runtime::{
    RuntimeFeature, RuntimeFraction, RuntimePercent, RuntimeUint, RuntimeValue, RuntimeValues,
};

/// The values of one moment. They are looked up when configuration is compiled, never by a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runtime {
    layers: Vec<(String, RuntimeValues)>,
    flat: BTreeMap<String, RuntimeValue>,
}

impl Runtime {
    /// From layers by name; later ones win.
    pub fn new(layers: Vec<(String, RuntimeValues)>) -> Runtime {
        let values = layers.iter().flat_map(|(_, values)| values);
        let flat = values.map(|(key, value)| (key.clone(), value.clone())).collect();
        Runtime { layers, flat }
    }

    /// The layers, in the order in which they win over one another.
    pub fn layers(&self) -> &[(String, RuntimeValues)] {
        &self.layers
    }

    /// Every value that is in force, by name.
    pub fn values(&self) -> impl Iterator<Item = (&str, &RuntimeValue)> {
        self.flat.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A share of requests. A plain number stands for percent; what is neither that nor a share leaves the default.
    pub fn fraction(&self, fraction: &RuntimeFraction) -> Percent {
        self.share(&fraction.key).unwrap_or(fraction.default)
    }

    /// A share of requests by its name alone, where it is set.
    pub fn share(&self, key: &str) -> Option<Percent> {
        let value = self.get(key)?;
        value.share.or_else(|| value.as_u64().map(|percent| Percent::whole(percent.min(100) as u32)))
    }

    /// A percentage, which may have a fraction.
    pub fn percent(&self, percent: &RuntimePercent) -> Percent {
        let set = self.get(&percent.key).and_then(|value| value.number);
        set.and_then(Percent::from_f64).unwrap_or(percent.default)
    }

    /// Whether something is switched on. Only `true` and `false` set it.
    pub fn enabled(&self, feature: &RuntimeFeature) -> bool {
        self.get(&feature.key).and_then(|value| value.switch).unwrap_or(feature.default)
    }

    /// A number; one beyond 32 bits is the largest of them.
    pub fn uint(&self, number: &RuntimeUint) -> u32 {
        self.whole(&number.key, number.default)
    }

    /// A whole number by its name alone, for those whose names are fixed.
    pub fn whole(&self, key: &str, default: u32) -> u32 {
        self.number(key).unwrap_or(default)
    }

    /// The same, where it is set.
    pub fn number(&self, key: &str) -> Option<u32> {
        let set = self.get(key).and_then(RuntimeValue::as_u64);
        set.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// A text by its name alone.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).map(|value| &*value.text)
    }

    fn get(&self, key: &str) -> Option<&RuntimeValue> {
        // The empty name means that nothing can be set.
        self.flat.get(key).filter(|_| !key.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(values: &[(&str, RuntimeValue)]) -> Runtime {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Runtime::new(vec![("only".to_owned(), values)])
    }

    #[test]
    fn later_layers_win() {
        let layer = |percent| RuntimeValues::from([("k".to_owned(), RuntimeValue::number(percent))]);
        let runtime = Runtime::new(vec![("a".to_owned(), layer(5.0)), ("b".to_owned(), layer(7.0))]);
        let fraction = RuntimeFraction { key: "k".into(), default: Percent::ALL };
        assert_eq!(runtime.fraction(&fraction), Percent::whole(7));
    }

    #[test]
    fn shares_are_numbers_or_fractions() {
        let check = |value: RuntimeValue, expected: Percent| {
            let runtime = runtime(&[("k", value.clone())]);
            let fraction = RuntimeFraction { key: "k".into(), default: Percent::per_million(1) };
            assert_eq!(runtime.fraction(&fraction), expected, "{value:?}");
        };
        let default = Percent::per_million(1);
        check(RuntimeValue::number(150.0), Percent::ALL);
        check(RuntimeValue::number(99.5), Percent::whole(99));
        check(RuntimeValue::text(" 30 "), Percent::whole(30));
        check(RuntimeValue::share(String::new(), Percent::per_million(7)), Percent::per_million(7));
        check(RuntimeValue::number(-3.0), default);
        check(RuntimeValue::switch(true), default);
        check(RuntimeValue::text("{numerator: 5}"), default);
    }

    #[test]
    fn what_has_no_name_cannot_be_set() {
        let runtime = runtime(&[("", RuntimeValue::number(7.0))]);
        assert_eq!(runtime.fraction(&RuntimeFraction::fixed(Percent::ALL)), Percent::ALL);
    }

    #[test]
    fn switches_percentages_and_numbers_fall_back_too() {
        let runtime = runtime(&[
            ("on", RuntimeValue::switch(true)),
            ("one", RuntimeValue::number(1.0)),
            ("half", RuntimeValue::number(0.5)),
            ("much", RuntimeValue::number(1e12)),
        ]);
        let enabled = |key: &str| runtime.enabled(&RuntimeFeature { key: key.into(), default: false });
        assert_eq!((enabled("on"), enabled("one"), enabled("none")), (true, false, false));
        let percent = |key: &str| runtime.percent(&RuntimePercent { key: key.into(), default: Percent::ALL });
        assert_eq!((percent("half"), percent("much")), (Percent::per_million(5_000), Percent::ALL));
        let uint = |key: &str| runtime.uint(&RuntimeUint { key: key.into(), default: 3 });
        assert_eq!((uint("one"), uint("much"), uint("on")), (1, u32::MAX, 3));
    }
}
