//! What the supervisor and the guard say to each other. The end of the one closes it for the other.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Instead of a signal's number: the command may start.
const GO: u8 = 0;
const READY: u8 = 1;

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

    /// The guard's first word: it is there, and this descriptor hears of every `bind`, if any does.
    pub fn greet(&self, binds: Option<&OwnedFd>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = binds.map(|fd| [fd.as_fd()]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let word = [IoSlice::new(&[READY])];
        sendmsg(&self.0, &word, &mut ancillary, SendFlags::empty())?;
        Ok(())
    }

    /// Waits for that word.
    pub fn greeted(&self) -> io::Result<Option<OwnedFd>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut word = [0];
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut word)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut descriptors = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(descriptors.next())
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
