//! Where the looks of a keeper found the processes of a port, for its next look.

use std::{collections::HashMap, sync::Mutex};

use crate::host::Known;

/// By port, and no more than the last look on each. It may be wrong: every look checks what it is told.
///
/// Whoever finds it locked does without: a forked child may inherit the lock, which nobody would ever release.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<u16, Vec<Known>>>);

impl Memory {
    pub(super) fn recall(&self, port: u16) -> Vec<Known> {
        let ports = self.0.try_lock();
        let holders = ports.ok().and_then(|ports| ports.get(&port).cloned());
        holders.unwrap_or_default()
    }

    pub(super) fn keep(&self, port: u16, holders: Vec<Known>) {
        if let Ok(mut ports) = self.0.try_lock() {
            if holders.is_empty() {
                ports.remove(&port);
            } else {
                ports.insert(port, holders);
            }
        }
    }
}
