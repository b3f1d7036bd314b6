//! Load shedding ← `filter_metadata["ripstop"]` of a cluster.

use ripstop_model::Percent;
use ripstop_model::load_shedding::LoadShedding;

use super::common::{Context, metadata_value};
use super::extension::Fields;
use crate::metadata::{LOAD_SHEDDING, RIPSTOP};
use crate::pb;

/// Longest name of a header.
const MAX_NAME_BYTES: usize = 256;

/// How a cluster sheds load, if it does.
pub(super) fn load_shedding(cx: &mut Context, metadata: Option<&pb::Metadata>) -> Option<LoadShedding> {
    let value = metadata_value(metadata, RIPSTOP, LOAD_SHEDDING)?;
    cx.at("metadata.filter_metadata[\"ripstop\"].load_shedding", |cx| {
        let pb::value::Kind::StructValue(fields) = value else { return cx.refuse("must be a struct") };
        let mut fields = Fields::new(fields);
        let header = fields.text(cx, "header", MAX_NAME_BYTES).filter(|header| !header.is_empty());
        let levels = fields.percents(cx, "levels", LoadShedding::MAX_LEVELS).unwrap_or_default();
        let others = fields.percent(cx, "others").unwrap_or(Percent::whole(100));
        fields.finish(cx);
        let Some(header) = header else { return cx.at("header", |cx| cx.refuse("must name a header")) };
        Some(LoadShedding { header: header.to_ascii_lowercase().into(), levels, others })
    })
}
