//! What an application can do itself, in its own process, so that the mesh serves it better. It needs no sidecar and no
//! runtime; it opens nothing and decides nothing that `ripstop-policy` decides.

pub mod propagate;
