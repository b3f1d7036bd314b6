//! The configuration of nginx: one process, kept connections to the upstream, no log unless the work has one.

use std::fmt::Write as _;
use std::path::Path;

use crate::site::{ROUTE_HEADER, ROUTES, Shape, Site, VIRTUAL_HOSTS, domain};

/// The whole file.
pub fn configuration(site: &Site, directory: &Path) -> String {
    let directory = directory.display();
    let access_log = match site.shape {
        Shape::Routed => {
            format!("access_log {directory}/nginx-{}-access.log bench buffer=64k flush=1s;", site.port)
        }
        _ => "access_log off;".to_owned(),
    };
    format!(
        "daemon off;\n\
         master_process off;\n\
         worker_processes 1;\n\
         worker_rlimit_nofile 60000;\n\
         pid {directory}/nginx-{port}.pid;\n\
         events {{ worker_connections 50000; }}\n\
         http {{\n\
         \x20 client_body_temp_path {directory}/nginx-body; proxy_temp_path {directory}/nginx-proxy;\n\
         \x20 fastcgi_temp_path {directory}/nginx-f; uwsgi_temp_path {directory}/nginx-u; scgi_temp_path {directory}/nginx-s;\n\
         \x20 log_format bench '[$time_iso8601] \"$request\" $status $request_length $bytes_sent $request_time '\n\
         \x20   '\"$http_x_forwarded_for\" \"$http_user_agent\" \"$request_id\" \"$host\" \"$upstream_addr\"';\n\
         \x20 {access_log}\n\
         \x20 map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
         \x20 keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on; client_max_body_size 0;\n\
         \x20 server_names_hash_max_size 4096; server_names_hash_bucket_size 128;\n\
         \x20 upstream upstream {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}\n\
         {servers}\
         }}\n",
        port = site.port,
        upstream = site.upstream,
        servers = servers(site),
    )
}

fn servers(site: &Site) -> String {
    let listen = match site.shape {
        Shape::Grpc => format!("listen 127.0.0.1:{} http2;", site.port),
        Shape::Tls => format!(
            "listen 127.0.0.1:{} ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3;",
            site.port,
            site.tls.chain.display(),
            site.tls.key.display(),
        ),
        _ => format!("listen 127.0.0.1:{};", site.port),
    };
    if site.shape == Shape::Grpc {
        return format!("  server {{ {listen} location / {{ grpc_pass grpc://upstream; }} }}\n");
    }
    let pass = "proxy_pass http://upstream; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; \
                proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; \
                proxy_set_header Connection $connection_upgrade; proxy_set_header X-Request-Id $request_id; \
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
                proxy_set_header X-Forwarded-Proto $scheme; proxy_read_timeout 3600s;";
    if site.shape != Shape::Routed {
        return format!("  server {{ {listen} location / {{ {pass} }} }}\n");
    }
    let header = ROUTE_HEADER.0.replace('-', "_");
    let mut servers = String::new();
    for host in 0..VIRTUAL_HOSTS {
        let mut locations = String::new();
        for route in 0..ROUTES {
            let condition = match route % 2 {
                1 => format!("if ($http_{header} != \"{}\") {{ return 404; }} ", ROUTE_HEADER.1),
                _ => String::new(),
            };
            // Writing to a string does not fail.
            let _ = writeln!(locations, "    location /service/{route}/ {{ {condition}{pass} }}");
        }
        let _ = writeln!(servers, "  server {{ {listen} server_name {};\n{locations}  }}", domain(host));
    }
    servers
}
