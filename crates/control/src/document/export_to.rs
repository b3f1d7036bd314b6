//! Reads `exportTo`, which many kinds have.

use std::collections::BTreeSet;

use ripstop_model::Name;
use ripstop_yaml::Reader;

use crate::document::common::{is_label, shorten};
use crate::resource::ExportTo;

pub(super) fn export_to(reader: &Reader<'_>, own_namespace: &Name) -> ExportTo {
    let fields = reader.list("exportTo");
    let (mut everywhere, mut nowhere) = (fields.is_empty(), false);
    let mut namespaces: BTreeSet<Name> = BTreeSet::new();
    for field in &fields {
        let Some(text) = field.str() else { continue };
        match text.as_str() {
            "*" => everywhere = true,
            "~" => nowhere = true,
            "." => drop(namespaces.insert(own_namespace.clone())),
            name if is_label(name) => drop(namespaces.insert(name.into())),
            _ => field.error_with_help(
                format!("`{}` is not a namespace", shorten(&text)),
                "write a name, `.` for the own namespace, `*` for all, or `~` for none",
            ),
        }
    }
    if nowhere && fields.len() > 1 {
        reader.error_with_help("exportTo", "`~` cannot be beside another namespace", "remove one of them");
    }
    if everywhere && fields.len() > 1 {
        reader.error_with_help("exportTo", "`*` cannot be beside another namespace", "remove one of them");
    }
    if everywhere { ExportTo::Everywhere } else { ExportTo::Namespaces(namespaces) }
}
