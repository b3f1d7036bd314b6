//! Any bytes as a resource that a control plane sends: refused with a reason or taken, never a panic; and what is taken can be
//! encoded, and is taken again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ripstop_xds::ResourceType;
use ripstop_xds::decode::{
    decode_cluster, decode_listener, decode_load_assignment, decode_route_configuration, decode_runtime,
    decode_secret,
};
use ripstop_xds::discovery_file::load_binary;
use ripstop_xds::encode::{
    encode_cluster, encode_listener, encode_load_assignment, encode_route_configuration, encode_secret,
};

/// The first byte chooses the type.
fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 7 {
        0 => {
            if let Ok(taken) = decode_cluster(bytes) {
                let again = decode_cluster(&encode_cluster(&taken.value)).expect("taken before");
                assert_eq!(again.value, taken.value);
            }
        }
        1 => {
            if let Ok(taken) = decode_load_assignment(bytes) {
                let again = decode_load_assignment(&encode_load_assignment(&taken.value)).expect("taken before");
                assert_eq!(again.value, taken.value);
            }
        }
        2 => {
            if let Ok(taken) = decode_listener(bytes) {
                decode_listener(&encode_listener(&taken.value)).expect("taken before");
            }
        }
        3 => {
            if let Ok(taken) = decode_route_configuration(bytes) {
                decode_route_configuration(&encode_route_configuration(&taken.value)).expect("taken before");
            }
        }
        4 => {
            if let Ok(taken) = decode_secret(bytes) {
                let again = decode_secret(&encode_secret(&taken.value)).expect("taken before");
                assert_eq!(again.value, taken.value);
            }
        }
        5 => drop(decode_runtime(bytes)),
        _ => {
            // A whole response, as files hold it.
            for kind in ResourceType::ALL {
                let _ = load_binary(kind, bytes);
            }
        }
    }
});
