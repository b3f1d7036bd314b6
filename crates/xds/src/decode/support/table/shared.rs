//! What several resources share: the fields that are read, and those that are harmless to leave out.

use crate::decode::support::Support;

pub(super) const SHARED: &[Support] = &[
    Support {
        message: "envoy.config.core.v3.Address",
        read: "socket_address pipe envoy_internal_address",
        harmless: "",
    },
    Support { message: "envoy.config.core.v3.TransportSocket", read: "name typed_config", harmless: "" },
    Support {
        message: "envoy.config.core.v3.ConfigSource",
        read: "resource_api_version ads self path path_config_source api_config_source \
            initial_fetch_timeout",
        harmless: "authorities",
    },
    Support {
        message: "envoy.config.core.v3.SocketAddress",
        read: "protocol address port_value named_port ipv4_compat",
        harmless: "",
    },
    Support { message: "envoy.config.core.v3.Pipe", read: "path mode", harmless: "" },
    Support {
        message: "envoy.config.core.v3.HttpProtocolOptions",
        read: "idle_timeout max_headers_count max_requests_per_connection headers_with_underscores_action \
            max_connection_duration max_stream_duration max_response_headers_kb max_connection_duration_jitter",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.Http2ProtocolOptions",
        read: "max_concurrent_streams hpack_table_size initial_stream_window_size \
            initial_connection_window_size allow_connect \
            max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream \
            max_inbound_window_update_frames_per_data_frame_sent connection_keepalive",
        harmless: "allow_metadata max_outbound_frames max_outbound_control_frames \
            stream_error_on_invalid_http_messaging override_stream_error_on_invalid_http_message \
            custom_settings_parameters use_oghttp2_codec max_metadata_size \
            enable_huffman_encoding max_header_field_size_kb disallow_obs_text stream_reset_burst \
            stream_reset_rate",
    },
    Support {
        message: "envoy.config.core.v3.KeepaliveSettings",
        read: "interval timeout",
        harmless: "interval_jitter connection_idle_interval",
    },
    Support {
        message: "envoy.config.core.v3.Http1ProtocolOptions",
        read: "enable_trailers allow_absolute_url accept_http_10 default_host_for_http_10 header_key_format \
            allow_chunked_length override_stream_error_on_invalid_http_message",
        harmless: "send_fully_qualified_url use_balsa_parser allow_custom_methods ignore_http_11_upgrade",
    },
    Support {
        message: "envoy.config.accesslog.v3.AccessLog",
        read: "name typed_config filter",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.SubstitutionFormatString",
        read: "text_format text_format_source json_format omit_empty_values content_type json_format_options",
        harmless: "",
    },
    Support {
        message: "envoy.config.core.v3.Metadata",
        read: "filter_metadata",
        harmless: "typed_filter_metadata",
    },
];
