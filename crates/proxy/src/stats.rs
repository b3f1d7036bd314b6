//! What is counted. One block of cells a worker, so that counting shares nothing; merged on scrape.
//!
//! The names of the fields are Envoy's. How they are written out is [`prometheus`].

pub mod cell;
pub mod cluster;
pub mod connection;
pub mod connection_text;
pub mod fault;
pub mod grpc;
pub mod health;
pub mod histogram;
pub mod http;
pub mod listener;
pub mod per_worker;
pub mod prometheus;
pub mod quantile;
pub mod registry;
pub mod series;
pub mod ssl;
