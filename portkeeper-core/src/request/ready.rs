/// What to wait for, for [`Keeper::wait_ready`](crate::Keeper::wait_ready). A port number, a lease and
/// a bound port convert into one.
#[derive(Debug, Clone)]
pub struct Ready {
    pub(crate) port: i64,
    pub(crate) process: Option<u32>,
    /// The lease under which the port must still be had.
    pub(crate) lease: Option<String>,
}

impl Ready {
    /// The port is answered by its claim's owner, or by this process where it has none, or by a
    /// descendant of that process.
    pub fn port(port: impl Into<i64>) -> Self {
        Self {
            port: port.into(),
            process: None,
            lease: None,
        }
    }

    /// The port is answered by this process or a descendant of it.
    #[must_use]
    pub fn by(mut self, pid: u32) -> Self {
        self.process = Some(pid);
        self
    }
}

macro_rules! ready_from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for Ready {
            fn from(port: $number) -> Self {
                Self::port(port)
            }
        }
    )*};
}

ready_from_number!(u16, i32, u32, i64);
