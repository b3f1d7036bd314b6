//! Translation for all proxies, of one world after the other.

use std::sync::Arc;

use crate::translate::Pieces;
use crate::world::World;

/// What was made for proxies, and of which world it is.
#[derive(Debug)]
pub(super) struct Translator {
    world: Arc<World>,
    pieces: Pieces,
}

impl Translator {
    /// Nothing has been made of `world`.
    pub(super) fn new(world: Arc<World>) -> Translator {
        Translator { world, pieces: Pieces::default() }
    }

    /// What there is for `world`, which may be newer than the last one, or older.
    pub(super) fn at(&mut self, world: &Arc<World>) -> &mut Pieces {
        if !Arc::ptr_eq(&self.world, world) {
            self.pieces.go_over(&self.world.difference(world));
            self.world = Arc::clone(world);
        }
        &mut self.pieces
    }

    /// Lets go of what nobody needs any more.
    pub(super) fn tidy(&mut self) {
        self.pieces.tidy();
    }
}
