//! How much memory this process may still take: what the kernel calls available, and less where a
//! control group of version 1 or 2 sets a limit on the process or on a group around it.

use std::fs;
use std::path::{Path, PathBuf};

/// Limits at or above this are how version 1 says "none".
const UNLIMITED_BYTES: u64 = 1 << 60;

/// Bytes that can be allocated without swapping or being killed, or `None` where nobody says.
pub fn available_memory() -> Option<u64> {
    available_below(Path::new("/"))
}

/// Bytes of this process that are in memory now, or `None` where nobody says.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The same over another root, so that tests can lay out a machine.
fn available_below(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let membership = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = root.join("sys/fs/cgroup");
    let mut least = meminfo_available(&meminfo);
    for line in membership.lines() {
        let Some(headroom) = group_headroom(&groups, line) else {
            continue;
        };
        least = Some(least.map_or(headroom, |least| least.min(headroom)));
    }
    least
}

/// `MemAvailable`, in bytes.
fn meminfo_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What one line of `/proc/self/cgroup` leaves: the least over the group and all around it.
fn group_headroom(groups: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let group = group.trim_start_matches('/');
    let (mount, limit, usage) = if controllers.is_empty() {
        (groups.to_path_buf(), "memory.max", "memory.current")
    } else if controllers.split(',').any(|name| name == "memory") {
        let mount = groups.join("memory");
        (mount, "memory.limit_in_bytes", "memory.usage_in_bytes")
    } else {
        return None;
    };
    // Inside a container the path may be the host's, and not be there: then only the mount counts.
    let mut at: PathBuf = mount.join(group);
    let mut least = None;
    loop {
        if let Some(headroom) = headroom(&at, limit, usage) {
            least = Some(least.map_or(headroom, |least: u64| least.min(headroom)));
        }
        if at == mount || !at.pop() {
            return least;
        }
    }
}

/// Limit less usage of one group, file cache not counted as used: the kernel gives it up first.
fn headroom(group: &Path, limit: &str, usage: &str) -> Option<u64> {
    let limit = number(&group.join(limit)).filter(|&bytes| bytes < UNLIMITED_BYTES)?;
    let usage = number(&group.join(usage)).unwrap_or(0);
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cache = stat
        .lines()
        .find_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            let is_cache = name == "inactive_file" || name == "total_inactive_file";
            is_cache.then(|| bytes.trim().parse::<u64>().ok())?
        })
        .unwrap_or(0);
    Some(limit.saturating_sub(usage.saturating_sub(cache)))
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       32768 kB\nMemFree: 1 kB\nMemAvailable:   16384 kB\n";
    const MIB: u64 = 1 << 20;

    /// A root with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder for the test");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("make the folder");
            fs::write(path, text).expect("write the file");
        }
        root
    }

    fn available(files: &[(&str, &str)]) -> Option<u64> {
        available_below(machine(files).path())
    }

    #[test]
    fn this_machine_says_something_sensible() {
        let bytes = available_memory().expect("Linux says how much memory is available");
        assert!((MIB..1 << 50).contains(&bytes), "{bytes}");
    }

    #[test]
    fn without_limits_the_kernel_decides() {
        let bytes = available(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
        ]);
        assert_eq!(bytes, Some(16 * MIB));
        assert_eq!(available(&[]), None);
    }

    #[test]
    fn a_limit_of_version_2_on_a_group_further_out_counts() {
        let bytes = available(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a.slice/b.service\n"),
            ("sys/fs/cgroup/a.slice/memory.max", "8388608\n"),
            ("sys/fs/cgroup/a.slice/memory.current", "5242880\n"),
            ("sys/fs/cgroup/a.slice/memory.stat", "anon 1\ninactive_file 1048576\n"),
            ("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n"),
        ]);
        assert_eq!(bytes, Some(4 * MIB));
    }

    #[test]
    fn a_limit_of_version_1_counts_and_its_word_for_none_does_not() {
        let group = |limit: &str| {
            available(&[
                ("proc/meminfo", MEMINFO),
                ("proc/self/cgroup", "7:cpu,cpuacct:/x\n4:memory:/docker/1\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n"),
            ])
        };
        assert_eq!(group("4194304\n"), Some(3 * MIB));
        assert_eq!(group("9223372036854771712\n"), Some(16 * MIB));
    }

    #[test]
    fn a_group_that_uses_more_than_its_limit_leaves_nothing() {
        let bytes = available(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1048576\n"),
            ("sys/fs/cgroup/memory.current", "2097152\n"),
        ]);
        assert_eq!(bytes, Some(0));
    }
}
