//! Reads who gets copies of requests: `mirrors`, and the older `mirror` with its percentages.

use ripstop_model::Percent;
use ripstop_yaml::{Field, Reader};

use crate::document::common::{Decoder, percentage};
use crate::document::destination::destination;
use crate::resource::Mirror;

/// `mirrorPercent` is what `mirrorPercentage` was called before it could be a fraction.
const WHOLE_PERCENT: [&str; 2] = ["mirrorPercent", "mirror_percent"];

pub(super) fn mirrors(decoder: &Decoder<'_>, reader: &Reader<'_>) -> Vec<Mirror> {
    let fraction = reader.map("mirrorPercentage").map(percentage);
    let whole: Vec<Option<Percent>> =
        WHOLE_PERCENT.iter().filter_map(|key| reader.field(key)).map(|field| whole_percent(&field)).collect();
    let share = fraction.or(whole.first().copied()).unwrap_or(Some(Percent::ALL));
    let single = reader.field("mirror").and_then(|field| destination(decoder, &field));
    if !reader.has("mirror") {
        for key in ["mirrorPercentage", "mirrorPercent", "mirror_percent"] {
            if reader.has(key) {
                reader.error_with_help(key, "a share of copies for nobody", "add `mirror`");
            }
        }
    } else if reader.has("mirrors") {
        reader.error_with_help("mirror", "only one of `mirror` and `mirrors` can hold", "use `mirrors`");
    }
    let single = single.zip(share).map(|(destination, share)| Mirror { destination, share });
    let several = reader.list("mirrors");
    let several = several.iter().filter_map(|field| mirror(decoder, field));
    // A share of nothing is no mirror.
    single.into_iter().chain(several).filter(|mirror| mirror.share != Percent::ZERO).collect()
}

fn mirror(decoder: &Decoder<'_>, field: &Field<'_>) -> Option<Mirror> {
    let reader = field.map()?;
    let destination = reader.required("destination").and_then(|field| destination(decoder, &field));
    let share = reader.map("percentage").map_or(Some(Percent::ALL), percentage);
    reader.finish();
    Some(Mirror { destination: destination?, share: share? })
}

/// A percentage as a whole number.
pub(super) fn whole_percent(field: &Field<'_>) -> Option<Percent> {
    let number = field.u32()?;
    if number > 100 {
        field.error("a percentage is 0 to 100");
        return None;
    }
    Some(Percent::whole(number))
}
