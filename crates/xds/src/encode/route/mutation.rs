//! Changes to headers → wire.

use ripstop_model::route::{AppendAction, HeaderAddition, Mutations};

use crate::pb;

/// The headers that are added, of no changes none.
pub(in crate::encode) fn added(mutations: Option<&Mutations>) -> Vec<pb::HeaderValueOption> {
    mutations.into_iter().flat_map(|mutations| &mutations.add).map(addition).collect()
}

/// The names that are removed, of no changes none.
pub(in crate::encode) fn removed(mutations: Option<&Mutations>) -> Vec<String> {
    mutations.into_iter().flat_map(|mutations| &mutations.remove).map(ToString::to_string).collect()
}

pub(in crate::encode) fn addition(addition: &HeaderAddition) -> pb::HeaderValueOption {
    use pb::header_value_option::HeaderAppendAction as Action;
    let action = match addition.action {
        AppendAction::Append => Action::AppendIfExistsOrAdd,
        AppendAction::AddIfAbsent => Action::AddIfAbsent,
        AppendAction::Overwrite => Action::OverwriteIfExistsOrAdd,
        AppendAction::OverwriteIfExists => Action::OverwriteIfExists,
    };
    pb::HeaderValueOption {
        header: Some(pb::HeaderValue {
            key: addition.name.to_string(),
            value: addition.value.source().to_string(),
            ..Default::default()
        }),
        append_action: action.into(),
        keep_empty_value: addition.keep_empty,
        ..Default::default()
    }
}
