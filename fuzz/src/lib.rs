//! What the fuzz targets share: a proxy under test and an upstream that accepts nothing but clean HTTP/1.1. Not the
//! targets themselves: those are in `fuzz_targets/`.

pub mod http1;
pub mod proxy;
pub mod upstream;
