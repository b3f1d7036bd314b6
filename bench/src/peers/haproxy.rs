//! The configuration of HAProxy: one thread, kept connections to the upstream, no log.

use crate::site::{Shape, Site};

/// The whole file.
pub fn configuration(site: &Site) -> String {
    let (bind, server) = match site.shape {
        Shape::Http2 | Shape::Grpc => (" proto h2".to_owned(), " proto h2"),
        Shape::Tls => (format!(" ssl crt {} alpn http/1.1 ssl-min-ver TLSv1.2", site.tls.both.display()), ""),
        _ => (String::new(), ""),
    };
    let (mode, frontend) = match site.shape {
        // Splicing is for large transfers: HAProxy decides by what has passed.
        Shape::Tcp => ("  mode tcp\n  option splice-auto\n", ""),
        _ => (
            "  mode http\n  http-reuse always\n  option forwardfor\n  option splice-auto\n  timeout http-keep-alive 1h\n",
            "  unique-id-format %{+X}o%ci%cp%Ts%rt\n  unique-id-header X-Request-Id\n\
             \x20 http-request set-header X-Forwarded-Proto http\n",
        ),
    };
    format!(
        "global\n  nbthread 1\n  no strict-limits\n  maxconn 12000\n\
         defaults\n{mode}  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n\
         frontend in\n  bind 127.0.0.1:{port}{bind}\n{frontend}  default_backend out\n\
         backend out\n  server s 127.0.0.1:{upstream}{server} maxconn 12000 pool-max-conn 2048\n",
        port = site.port,
        upstream = site.upstream,
    )
}
