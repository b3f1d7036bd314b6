//! Memory that is not needed any more goes back to the kernel: what allocators keep for later when a burst is over, and the
//! pages of the program that only its start has needed. Which allocator a program has is its own affair: of one that is
//! neither mimalloc nor glibc's nothing is asked.

use std::fs;
use std::ops::Range;

/// Returns free memory of the calling thread to the kernel, and what C (cryptography above all) has freed in any thread. It
/// takes milliseconds after a burst: nothing for every request.
#[allow(unsafe_code)]
pub fn give_back() {
    // SAFETY: the function takes no pointer, may be called by any thread at any time ("mi_collect" in the documentation of
    // mimalloc), and touches only memory that is free already.
    unsafe { libmimalloc_sys::mi_collect(true) }
    // SAFETY: the same goes for this one (malloc_trim(3): MT-Safe).
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Unmaps the pages of program and libraries; those that are still needed are mapped again, out of the page cache, when they
/// are next touched. Starting reads much more of a program than serving does, and every process pays for what it has mapped.
#[allow(unsafe_code)]
pub fn leave_program_pages() {
    // Without `/proc` everything stays as it is.
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in unchanged_files(&maps) {
        // SAFETY: the range is a mapping of a file that nobody may write to and that has no page of its own ("Anonymous:
        // 0"), neither of relocations nor of anything else. What MADV_DONTNEED takes from such a mapping comes back from the
        // file with the same bytes (madvise(2)), so that no reference into it changes its meaning.
        unsafe { libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED) };
    }
}

/// The mappings in a text in the form of `/proc/PID/smaps` that are files, may not be written to, and never were.
fn unchanged_files(maps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in maps.lines() {
        if let Some(mapping) = mapping(line) {
            current = mapping;
        } else if let Some(own) = line.strip_prefix("Anonymous:")
            && let Some(range) = current.take()
            && own.trim() == "0 kB"
        {
            found.push(range);
        }
    }
    found
}

/// Reads the first line of a mapping: `None` for any other line, `Some(None)` for a mapping that is not to be touched.
fn mapping(line: &str) -> Option<Option<Range<usize>>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let rights = fields.next()?;
    let is_file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    let unwritable = rights.starts_with('r') && !rights.contains('w') && rights.ends_with('p');
    Some((is_file && unwritable).then_some(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays() {
        let kept = vec![7_u8; 1 << 20];
        drop(vec![1_u8; 1 << 22]);
        give_back();
        leave_program_pages();
        assert!(kept.iter().all(|byte| *byte == 7));
        assert_eq!(format!("{:?}", "text of the program"), "\"text of the program\"");
    }

    #[test]
    fn only_what_is_as_in_its_file_is_left() {
        let maps = "\
1000-3000 r-xp 00000000 08:01 42 /usr/bin/ripstop
Rss: 8 kB
Anonymous: 0 kB
VmFlags: rd ex
3000-4000 r--p 00002000 08:01 42 /usr/bin/ripstop
Anonymous: 4 kB
4000-5000 rw-p 00003000 08:01 42 /usr/bin/ripstop
Anonymous: 0 kB
5000-6000 r--p 00000000 00:00 0
Anonymous: 0 kB
6000-7000 r--s 00000000 08:01 43 /shared
Anonymous: 0 kB
7000-8000 ---p 00000000 08:01 44 /lib/libc.so.6
Anonymous: 0 kB
8000-9000 r--p 00000000 08:01 44 /lib/libc.so.6
Anonymous: 0 kB
a000-b000 r-xp 00000000 00:00 0 [vdso]
Anonymous: 0 kB
";
        assert_eq!(unchanged_files(maps), [0x1000..0x3000, 0x8000..0x9000]);
    }

    #[test]
    fn this_process_has_such_mappings() {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        assert!(!unchanged_files(&maps).is_empty());
    }
}
