//! Charts: bars for the number that matters most in a work, drawn as SVG.

use std::fmt::Write as _;

use super::{Metric, Row};

const WIDTH: f64 = 640.0;
const LABEL: f64 = 90.0;
const VALUE: f64 = 90.0;
const LINE: f64 = 28.0;
const HEAD: f64 = 40.0;

/// What a chart is drawn of: the first of these that a work has.
const SHOWN: [Metric; 5] = [
    Metric::CpuUs,
    Metric::GigabytesPerSecond,
    Metric::KilobytesPerConnection,
    Metric::FirstLoadS,
    Metric::StartMs,
];

/// The name of the file and the chart; `None` where there is nothing to be drawn.
pub fn bars(work: &str, rows: &[&Row]) -> Option<(String, String)> {
    let metric = SHOWN.into_iter().find(|metric| rows.iter().any(|row| row.get(*metric).is_some()))?;
    let values: Vec<(&str, f64)> =
        rows.iter().filter_map(|row| Some((row.peer.name(), row.get(metric)?.max(0.0)))).collect();
    let most = values.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let height = HEAD + LINE * values.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"22\" font-weight=\"bold\">{work}: {}</text>\n",
        metric.label(),
    );
    for (place, (name, value)) in values.iter().enumerate() {
        let y = HEAD + LINE * place as f64;
        let length = (WIDTH - LABEL - VALUE) * value / most;
        let colour = if *name == "Ripstop" { "#1565c0" } else { "#90a4ae" };
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{ty}\">{name}</text><rect x=\"{LABEL}\" y=\"{y}\" width=\"{length:.1}\" \
             height=\"20\" fill=\"{colour}\"/><text x=\"{tx:.1}\" y=\"{ty}\">{shown}</text>",
            ty = y + 15.0,
            tx = LABEL + length + 6.0,
            shown = metric.show(*value),
        );
    }
    svg.push_str("</svg>\n");
    let letter = work.split(':').next().unwrap_or(work);
    Some((format!("{letter}.svg"), svg))
}
