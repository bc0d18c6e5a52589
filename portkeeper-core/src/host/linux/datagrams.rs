//! Which UDP sockets are connected, by `/proc/net/udp` and `/proc/net/udp6`.
//!
//! A connected UDP socket takes datagrams from one peer alone: it is a client, or a server's side of
//! one conversation. netstat2 shows it like a server's.

use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The state that the kernel gives a connected UDP socket.
const ESTABLISHED: &str = "01";

/// The peers of all connected UDP sockets by inode. What cannot be read is left out.
pub(super) fn peers() -> HashMap<u64, SocketAddr> {
    ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().filter_map(peer).collect::<Vec<_>>())
        .collect()
}

/// Reads a line such as ` 412: 0100007F:0BB8 0100007F:1F90 01 00000000:00000000 00:00000000
/// 00000000 1000 0 21337 …`: local address, peer, state, and in column 10 the inode.
fn peer(line: &str) -> Option<(u64, SocketAddr)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != ESTABLISHED {
        return None;
    }
    Some((fields.get(9)?.parse().ok()?, address(fields.get(2)?)?))
}

fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    // The kernel prints each 32-bit word as a number, though its bytes are in network order.
    let word = |position: usize| {
        let digits = host.get(position * 8..position * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let host: IpAddr = match host.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (position, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(position)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(host, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::{fs, net::UdpSocket, os::fd::AsRawFd};

    use super::{peer, peers};

    #[test]
    fn only_connected_sockets_have_a_peer() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let server = UdpSocket::bind(local).unwrap();
            let client = UdpSocket::bind(local).unwrap();
            client.connect(server.local_addr().unwrap()).unwrap();
            let inode = |socket: &UdpSocket| -> u64 {
                let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
                let link = link.to_str().unwrap();
                link["socket:[".len()..link.len() - 1].parse().unwrap()
            };
            let peers = peers();
            assert_eq!(
                peers.get(&inode(&client)),
                Some(&server.local_addr().unwrap())
            );
            assert_eq!(peers.get(&inode(&server)), None);
        }
    }

    #[test]
    fn what_is_no_such_line_is_passed_over() {
        for line in [
            "",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
            "1: 0100007F:0BB8 0100007F:1F90 01 0:0 0:0 0 0 0 many",
            "1: 0100007F:0BB8 0100007F 01 0:0 0:0 0 0 0 7",
            "1: 0100007F:0BB8 01:1F90 01 0:0 0:0 0 0 0 7",
            "1: 0100007F:0BB8 ééééééé0:1F90 01 0:0 0:0 0 0 0 7",
        ] {
            assert_eq!(peer(line), None, "{line}");
        }
    }
}
