//! Which filter chain of a listener takes a connection: Envoy's conditions in Envoy's order.
//!
//! The conditions are levels, and each level keeps only the chains with the most specific value that fits: the
//! destination port first, then destination address, server name, transport protocol, application protocol, direct
//! source address, source type, source address and source port. Nothing is looked for again: a chain for `10.1.0.0/16` hides
//! one for `10.0.0.0/8` even where the first then fails on a later level. The table is a tree with a level for each
//! condition, so that finding a chain takes one lookup a level (two for ports, one for each label of a server name, one
//! for each length of prefix in use), whatever the number of chains.

mod prefixes;
mod table;

pub use table::{ChainTable, ChainTableError, Facts};
