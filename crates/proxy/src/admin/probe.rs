//! The port for health probes of an orchestrator: two pages in plaintext, whatever mode the traffic is in, and nothing else. Unlike
//! the administrator's pages it can be open to others.

use http::StatusCode;
use ripstop_runtime::admin::{Pages, text};
use ripstop_runtime::ready::Readiness;

/// `/live`: the process answers. `/ready`: it has a certificate and a configuration, and is not ending.
pub fn pages(ready: Readiness) -> Pages {
    Pages::default()
        .get("/live", "200 as long as the process answers", &[], |_| text(StatusCode::OK, "LIVE\n"))
        .get("/ready", "200 if traffic is taken, otherwise 503 and what is waited for", &[], move |_| {
            let missing = ready.missing();
            match missing.is_empty() {
                true => text(StatusCode::OK, "LIVE\n"),
                false => {
                    let waiting = format!("waiting for {}\n", missing.join(", "));
                    text(StatusCode::SERVICE_UNAVAILABLE, waiting)
                }
            }
        })
}

#[cfg(test)]
mod tests {
    use http::Method;
    use ripstop_runtime::admin::Query;

    use super::*;

    #[test]
    fn probes_see_readiness_and_nothing_else() {
        let ready = Readiness::waiting_for(&["certificate"]);
        let pages = pages(ready.clone());
        let status = |path: &str| pages.answer(&Method::GET, path, &Query::parse("")).status().as_u16();
        assert_eq!((status("/live"), status("/ready"), status("/config_dump")), (200, 503, 404));
        ready.done("certificate");
        assert_eq!(status("/ready"), 200);
        assert_eq!(pages.answer(&Method::POST, "/quitquitquit", &Query::parse("")).status().as_u16(), 404);
    }
}
