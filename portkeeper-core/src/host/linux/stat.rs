//! `/proc/PID/stat`, see `proc_pid_stat(5)`.

use std::str;

/// `PF_KTHREAD`: the process is a thread of the kernel.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The fields that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    state: u8,
    /// Field 4: the parent's pid.
    pub parent: u32,
    flags: u64,
    threads: u64,
    /// Field 22: clock ticks from boot to start.
    pub start: u64,
}

impl Stat {
    /// Reads the line; `None` when it is not one.
    ///
    /// The second field is the name in parentheses, and a name may be `a) R 1 (b`. No field after it
    /// has a parenthesis, so the last one ends the name.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let end = line.iter().rposition(|&byte| byte == b')')?;
        let rest = str::from_utf8(line.get(end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of them is field 3.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            state: *field(3)?.as_bytes().first()?,
            parent: field(4)?.parse().ok()?,
            flags: field(9)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            start: field(22)?.parse().ok()?,
        })
    }

    /// Whether the process has ended and only waits to be waited for.
    ///
    /// A main thread that ended before the others is a zombie too, but its process lives.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// Whether the process can have no open files: it has ended, or is the kernel's own thread.
    pub fn has_no_files(&self) -> bool {
        self.has_ended() || self.is_kernel_thread()
    }

    /// Whether the process is the kernel's own thread.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;

    fn line(name: &str, state: &str, flags: u64, threads: u64) -> Vec<u8> {
        format!(
            "5872 ({name}) {state} 5865 5865 4702 0 -1 {flags} 3125 6816 9 3 2 2 3 1 20 0 {threads} 0 \
             158808 0 0 18446744073709551615 0 0\n"
        )
        .into_bytes()
    }

    #[test]
    fn the_name_may_be_anything() {
        for name in ["sleep", "a) R 1 (b", ")", "", "(((", "two words", "\n) Z 1"] {
            let stat = Stat::parse(&line(name, "S", 4_194_560, 1)).unwrap();
            assert_eq!((stat.parent, stat.start), (5865, 158_808), "{name:?}");
            assert!(!stat.has_ended(), "{name:?}");
        }
        let mut not_text = line("??", "S", 0, 1);
        not_text[6..8].copy_from_slice(b"\xff\xfe");
        assert_eq!(Stat::parse(&not_text).unwrap().start, 158_808);
    }

    #[test]
    fn what_is_no_stat_line_is_refused() {
        for text in ["", ")", "1 (a) R", "1 (a) R 1 x", "1 a R 1 1 1 1 1 1"] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_zombie_has_ended_unless_other_threads_run() {
        // State, threads and flags; whether it has ended, and whether it can have no files.
        for (state, threads, flags, ended, no_files) in [
            ("S", 1, 0x40_0040, false, false),
            ("R", 9, 0x40_0040, false, false),
            ("Z", 1, 0x40_844c, true, true),
            ("Z", 0, 0x40_844c, true, true),
            ("X", 1, 0, true, true),
            ("Z", 2, 0x40_844c, false, false),
            ("I", 1, 0x20_8040, false, true),
        ] {
            let stat = Stat::parse(&line("a", state, flags, threads)).unwrap();
            assert_eq!(stat.has_ended(), ended, "{state} {threads}");
            assert_eq!(stat.has_no_files(), no_files, "{state} {threads} {flags:x}");
        }
    }
}
