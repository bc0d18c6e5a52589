//! How much of the processes `/proc` shows.

use std::{fs, path::Path, process, str};

/// Whether `/proc` counts processes as this process does. In a new pid namespace it may still be
/// the one of the outer namespace, and then every number in it means another process.
pub(super) fn proc_is_ours() -> bool {
    fs::read_link("/proc/self").is_ok_and(|target| target == Path::new(&process::id().to_string()))
}

/// Whether `/proc` may leave processes out (its mount option `hidepid`). Whoever is excepted from
/// it is not asked for: then the answer is cautious, not wrong.
pub(super) fn hides_processes() -> bool {
    fs::read("/proc/self/mountinfo").map_or(true, |text| mount_hides(&text))
}

/// The last mount on `/proc` is the visible one. See `proc_pid_mountinfo(5)`: field 5 is the mount
/// point, the last field has the options of the file system.
fn mount_hides(mountinfo: &[u8]) -> bool {
    let mounts = mountinfo
        .split(|&byte| byte == b'\n')
        .filter_map(|line| str::from_utf8(line).ok());
    let options = mounts
        .filter(|line| line.split(' ').nth(4) == Some("/proc"))
        .filter_map(|line| line.rsplit(' ').next())
        .next_back();
    options.is_none_or(|options| {
        options
            .split(',')
            .filter_map(|option| option.strip_prefix("hidepid="))
            .any(|level| !matches!(level, "0" | "off" | "1" | "noaccess"))
    })
}

#[cfg(test)]
mod tests {
    use super::mount_hides;

    #[test]
    fn only_the_visible_mount_on_proc_counts() {
        let root = "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n";
        for (mounts, hides) in [
            ("22 1 0:21 / /proc rw,relatime - proc proc rw\n", false),
            (
                "22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw,gid=4,hidepid=invisible\n",
                true,
            ),
            ("22 1 0:21 / /proc rw - proc proc rw,hidepid=2", true),
            (
                "22 1 0:21 / /proc rw - proc proc rw,hidepid=ptraceable\n",
                true,
            ),
            (
                "22 1 0:21 / /proc rw - proc proc rw,hidepid=noaccess\n",
                false,
            ),
            ("22 1 0:21 / /proc rw - proc proc rw,hidepid=off\n", false),
            (
                "22 1 0:21 / /proc rw - proc proc rw,hidepid=2\n30 22 0:9 / /proc rw - proc proc rw\n",
                false,
            ),
            (
                "22 1 0:21 / /proc rw - proc proc rw\n30 22 0:9 / /proc rw - proc proc rw,hidepid=2\n",
                true,
            ),
            ("22 1 0:21 / /mnt/proc rw - proc proc rw\n", true),
            ("", true),
        ] {
            assert_eq!(
                mount_hides(format!("{root}{mounts}").as_bytes()),
                hides,
                "{mounts}"
            );
        }
    }
}
