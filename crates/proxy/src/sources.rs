//! Where the configuration of a proxy comes from that was started with a file: the file itself, a control plane that it
//! names, and further files.

pub mod ads;
pub mod files;
