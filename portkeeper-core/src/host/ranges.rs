//! The ranges of ports that the kernel treats differently, read live: an administrator may change
//! them at any time, and each network namespace has its own.

use std::ops::RangeInclusive;

#[cfg(target_os = "linux")]
const SYSCTL: &str = "/proc/sys/net/ipv4";

/// The ports the kernel picks from for outgoing connections and for `bind` to port 0.
///
/// A server port in this range may be gone by the time its server starts. On Linux this is
/// `net.ipv4.ip_local_port_range`, which IPv6 uses too; on macOS and Windows the documented default
/// 49152–65535 (`net.inet.ip.portrange`, `netsh int ipv4 show dynamicport`). `None` where it is not
/// known.
///
/// ```
/// use portkeeper_core::host::ephemeral_ports;
///
/// if let Some(ports) = ephemeral_ports() {
///     assert!(ports.start() <= ports.end());
/// }
/// ```
pub fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    #[cfg(target_os = "linux")]
    return parse_pair(&read("ip_local_port_range")?);
    #[cfg(any(target_os = "macos", windows))]
    return Some(49_152..=65_535);
    #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
    return None;
}

/// The ports the kernel never picks by itself: `net.ipv4.ip_local_reserved_ports` on Linux, in
/// ascending order. Empty elsewhere.
///
/// An administrator lists a port there to keep it for a certain server, so nobody else should be
/// given it.
///
/// ```
/// use portkeeper_core::host::reserved_by_kernel;
///
/// let reserved = reserved_by_kernel();
/// assert!(reserved.iter().all(|ports| ports.start() <= ports.end()));
/// ```
pub fn reserved_by_kernel() -> Vec<RangeInclusive<u16>> {
    #[cfg(target_os = "linux")]
    return read("ip_local_reserved_ports").map_or_else(Vec::new, |text| parse_list(&text));
    #[cfg(not(target_os = "linux"))]
    return Vec::new();
}

/// The first port that anybody may bind; 0 where no port is privileged.
pub(super) fn first_unprivileged() -> u16 {
    #[cfg(target_os = "linux")]
    return read("ip_unprivileged_port_start")
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024);
    #[cfg(all(unix, not(target_os = "linux")))]
    return 1024;
    #[cfg(not(unix))]
    return 0;
}

#[cfg(target_os = "linux")]
fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("{SYSCTL}/{name}")).ok()
}

/// Reads two numbers with a tab between them.
#[cfg(any(test, target_os = "linux"))]
fn parse_pair(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) if first <= last => Some(first..=last),
        _ => None,
    }
}

/// Reads `8080,9000-9100`. An item that is no range is passed over: the kernel writes none.
#[cfg(any(test, target_os = "linux"))]
fn parse_list(text: &str) -> Vec<RangeInclusive<u16>> {
    text.trim()
        .split(',')
        .filter_map(|item| {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(first..=last)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{parse_list, parse_pair};

    #[test]
    fn a_pair_is_read_as_the_kernel_writes_it() {
        for (text, range) in [
            ("32768\t60999\n", Some(32_768..=60_999)),
            ("1 65535", Some(1..=65_535)),
            ("9 8", None),
            ("1 2 3", None),
            ("1 65536", None),
            ("", None),
        ] {
            assert_eq!(parse_pair(text), range, "{text:?}");
        }
    }

    #[test]
    fn a_list_is_read_as_the_kernel_writes_it() {
        for (text, ranges) in [
            ("\n", vec![]),
            ("8080\n", vec![8080..=8080]),
            ("8080,9000-9100\n", vec![8080..=8080, 9000..=9100]),
            ("1-3,5,7-65535", vec![1..=3, 5..=5, 7..=65_535]),
            ("x,9-8,70000,4", vec![4..=4]),
        ] {
            assert_eq!(parse_list(text), ranges, "{text:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_live_range_is_the_one_that_bind_uses() {
        let range = super::ephemeral_ports().unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(range.contains(&socket.local_addr().unwrap().port()));
    }
}
