//! Any text as an Envoy bootstrap file: problems, never a panic; and what is accepted has no error among its problems.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ripstop_yaml::Source;

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yaml", text);
    let _ = ripstop_xds::bootstrap::is_bootstrap(&source);
    let (bootstrap, problems) = ripstop_xds::bootstrap::load(&source);
    assert!(bootstrap.is_some() || !problems.is_empty(), "refused without a reason");
});
