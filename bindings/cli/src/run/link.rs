//! What the supervisor and the guard say to each other. The end of the one closes it for the other.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

/// Instead of a signal's number: the command may start.
const GO: u8 = 0;

/// Whether the supervisor is asked before the command binds.
pub enum Watch {
    /// This descriptor hears of it.
    Granted(OwnedFd),
    /// The user does not want it, or it is not needed.
    Unwanted,
    /// The kernel does not allow it.
    Refused(Errno),
}

/// One end.
pub struct Link(UnixStream);

impl Link {
    /// Both ends.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self(ours), theirs.into()))
    }

    /// The end that was inherited.
    pub fn from_fd(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }

    /// The same end once more.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// The first word of the command's process: it is there, and its sockets are watched, or not.
    pub fn greet(&self, watch: &Watch) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let (code, descriptors) = match watch {
            Watch::Granted(listener) => (0, Some([listener.as_fd()])),
            Watch::Unwanted => (0, None),
            Watch::Refused(error) => (error.raw_os_error(), None),
        };
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let word = code.to_ne_bytes();
        sendmsg(
            &self.0,
            &[IoSlice::new(&word)],
            &mut ancillary,
            SendFlags::empty(),
        )?;
        Ok(())
    }

    /// Waits for that word.
    pub fn greeted(&self) -> io::Result<Watch> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut word = [0; size_of::<i32>()];
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut word)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes != word.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut descriptors = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(match (descriptors.next(), i32::from_ne_bytes(word)) {
            (Some(listener), _) => Watch::Granted(listener),
            (None, 0) => Watch::Unwanted,
            (None, code) => Watch::Refused(Errno::from_raw_os_error(code)),
        })
    }

    /// Lets the guard start the command.
    pub fn go(&mut self) -> io::Result<()> {
        self.0.write_all(&[GO])
    }

    /// Passes a signal on.
    pub fn signal(&mut self, signal: u8) -> io::Result<()> {
        self.0.write_all(&[signal])
    }

    /// The next word: `Some(0)` to go, a signal's number, or `None` when the other end is gone.
    pub fn word(&mut self) -> Option<u8> {
        let mut word = [0];
        self.0.read_exact(&mut word).ok()?;
        Some(word[0])
    }
}
