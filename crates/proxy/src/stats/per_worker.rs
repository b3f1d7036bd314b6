//! One block of cells a worker, made when the worker first counts something.

use std::sync::OnceLock;

/// A block of type `T` for each worker.
#[derive(Debug)]
pub struct PerWorker<T> {
    blocks: Box<[OnceLock<Box<T>>]>,
}

impl<T: Default> PerWorker<T> {
    /// No block yet for any of `workers`.
    pub fn new(workers: usize) -> PerWorker<T> {
        PerWorker { blocks: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// The block of `worker`, which is below the number given to [`PerWorker::new`].
    pub fn of(&self, worker: usize) -> &T {
        self.blocks[worker].get_or_init(Box::default)
    }

    /// The block of `worker`, if it has counted something.
    pub fn get(&self, worker: usize) -> Option<&T> {
        self.blocks.get(worker)?.get().map(|block| &**block)
    }

    /// The blocks there are.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().filter_map(|block| block.get().map(|block| &**block))
    }

    /// Each worker with its block, if it has counted something.
    pub fn by_worker(&self) -> impl Iterator<Item = (usize, Option<&T>)> {
        self.blocks.iter().map(|block| block.get().map(|block| &**block)).enumerate()
    }

    /// The sum of one cell over all workers.
    pub fn sum(&self, cell: impl Fn(&T) -> u64) -> u64 {
        self.iter().map(cell).sum()
    }
}
