//! A panic is a broken invariant, and nobody knows what else is wrong: the process must not go on as if nothing were.

use std::panic;
use std::process;

/// What a process ends with after a panic; the number that Rust itself uses.
pub const PANIC_STATUS: i32 = 101;

/// From now on a panic on any thread, tasks of a runtime included, is reported and ends the process.
pub fn exit_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        report(what);
        tracing::error!(%what, "the process ends because of a panic; this is a bug, please report it");
        process::exit(PANIC_STATUS);
    }));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CHILD: &str = "RIPSTOP_TEST_PANIC_CHILD";

    #[test]
    fn a_panic_in_a_task_ends_the_process() {
        if std::env::var_os(CHILD).is_some() {
            exit_on_panic();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let local = tokio::task::LocalSet::new();
            let _ = local
                .block_on(&runtime, async { tokio::task::spawn_local(async { panic!("broken") }).await });
            return;
        }
        let name = "panic::tests::a_panic_in_a_task_ends_the_process";
        let mut child = process::Command::new(std::env::current_exe().unwrap());
        let child = child.args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        assert_eq!(child.status.code(), Some(PANIC_STATUS));
        assert!(String::from_utf8_lossy(&child.stderr).contains("broken"));
    }
}
