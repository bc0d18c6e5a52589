use serde::{Deserialize, Serialize};

use super::Reservation;

/// Which processes were ended to free a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KillReport {
    /// The port.
    pub port: u16,
    /// The processes, in the order in which they were signalled; none where nobody listened.
    pub killed: Vec<KilledProcess>,
    /// The claim on the port as it is now. It stays its project's.
    pub reservation: Option<Reservation>,
}

/// A process that was signalled and has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KilledProcess {
    /// The pid it had.
    pub pid: u32,
    /// Its name as the platform showed it.
    pub name: String,
    /// Whether it got `SIGKILL`; else `SIGTERM` was enough.
    pub forced: bool,
}
