//! Memory that the allocator keeps for later goes back to the kernel when a burst is over. Which allocator a program has is
//! its own affair: for one that has another than mimalloc nothing happens here.

/// Returns free memory of the calling thread to the kernel. It takes milliseconds after a burst: nothing for every request.
#[allow(unsafe_code)]
pub fn give_back() {
    // SAFETY: the function takes no pointer, may be called by any thread at any time ("mi_collect" in the documentation of
    // mimalloc), and touches only memory that is free already.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays() {
        let kept = vec![7_u8; 1 << 20];
        drop(vec![1_u8; 1 << 22]);
        super::give_back();
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
