//! `/`: the pages as a page for browsers, with a form for each that takes something or changes something. It loads nothing
//! from elsewhere and runs no script.

use std::fmt::Write;

use http::StatusCode;
use ripstop_runtime::admin::{PageInfo, Pages, html};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --ink: #0b6; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } p { margin: 0 0 1.5rem; opacity: .75; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .55rem .6rem; vertical-align: top; }
tr:hover td { background: var(--soft); }
td:first-child { white-space: nowrap; width: 1%; font-family: ui-monospace, monospace; }
form { margin: 0; } label { display: inline-flex; gap: .4rem; margin: .3rem 1rem 0 0; font-size: 13px; }
input { font: inherit; width: 11rem; border: 1px solid var(--line); border-radius: 4px; background: none; color: inherit; }
button { font: inherit; border: 1px solid var(--line); border-radius: 4px; padding: .1rem .6rem; cursor: pointer; }
button.change { border-color: #c40; color: #c40; background: none; } a { color: var(--ink); text-decoration: none; }
";

/// The pages, and one more at `/` that shows them. `title` says whose they are.
pub fn with_index(pages: Pages, title: &str) -> Pages {
    let document = document(pages.list(), title);
    pages.get("/", "Admin home page", &[], move |_| html(StatusCode::OK, document.clone()))
}

fn document(pages: impl Iterator<Item = PageInfo>, title: &str) -> String {
    let title = escaped(title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Ripstop Admin</title>\n\
        <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
        <h1>Ripstop</h1><p>{title}</p>\n<table>\n"
    );
    for page in pages {
        row(&mut out, &page);
    }
    out.push_str("</table></body></html>\n");
    out
}

fn row(out: &mut String, page: &PageInfo) {
    let (path, help) = (escaped(page.path), escaped(page.help));
    // Writing to a string cannot fail.
    let _ = match page.changes {
        true => write!(out, "<tr><td>{path}</td><td>{help}"),
        false => write!(out, "<tr><td><a href=\"{}\">{path}</a></td><td>{help}", relative(&path)),
    };
    if page.changes || !page.params.is_empty() {
        let (method, class) = if page.changes { ("post", "change") } else { ("get", "look") };
        let _ = write!(out, "<form method=\"{method}\" action=\"{}\">", relative(&path));
        for (name, help) in page.params {
            let (name, help) = (escaped(name), escaped(help));
            let _ = write!(out, "<label title=\"{help}\">{name} <input name=\"{name}\"></label>");
        }
        let verb = if page.changes { "Do it" } else { "Show" };
        let _ = write!(out, "<button class=\"{class}\">{verb}</button></form>");
    }
    out.push_str("</td></tr>\n");
}

/// Without the slash in front, so that the pages can be shown below another path.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use ripstop_runtime::admin::{Query, text};

    #[test]
    fn what_changes_something_is_a_form_that_posts() {
        let pages = Pages::default()
            .get("/stats", "counters", &[("filter", "a <regex>")], |_| text(StatusCode::OK, ""))
            .post("/quitquitquit", "ends", &[], |_| text(StatusCode::OK, ""));
        let page = document(pages.list(), "edge \"1\"");
        for part in [
            "<a href=\"stats\">/stats</a>",
            "<form method=\"get\" action=\"stats\"><label title=\"a &lt;regex>\">filter <input name=\"filter\">",
            "<td>/quitquitquit</td><td>ends<form method=\"post\" action=\"quitquitquit\">",
            "edge &quot;1&quot;",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        let pages = with_index(pages, "edge");
        assert_eq!(pages.answer(&Method::GET, "/", &Query::default()).status(), 200);
    }
}
