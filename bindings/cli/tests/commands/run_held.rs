//! How `portman run` keeps the port until the command has it, and for which commands it cannot.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, Command, Stdio},
};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::{
    run::{command, ran},
    support::{
        Home, Nobody, PORTMAN, Server, answers, finished, free_port, like, line, signal, skipped,
        valid,
    },
};

/// A program that is told when to go on, and says what it did.
struct Told {
    process: Server,
    input: ChildStdin,
    said: Box<dyn Iterator<Item = std::io::Result<String>>>,
}

impl Told {
    fn start(command: &mut Command) -> Self {
        let mut process = Server::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        Self {
            input: process.0.stdin.take().unwrap(),
            said: Box::new(BufReader::new(process.0.stdout.take().unwrap()).lines()),
            process,
        }
    }

    fn ask(&mut self) -> String {
        self.input.write_all(b"go\n").unwrap();
        self.said.next().unwrap().unwrap()
    }
}

/// Binds late, and listens later still.
const LATE: &str = "import os, socket, sys, time\n\
    sys.stdin.readline()\n\
    s = socket.socket()\n\
    if 'REUSE' in os.environ: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
    s.bind(('127.0.0.1', int(os.environ['PORT'])))\n\
    print('bound', flush=True)\n\
    sys.stdin.readline()\n\
    s.listen()\n\
    print('listens', flush=True)\n\
    time.sleep(600)";

/// Tries to have the port all the time, with `SO_REUSEADDR` and without. When it is asked, it says how
/// often it had it among so many tries from then on.
const STRANGER: &str = "import select, socket, sys\n\
    port = int(sys.argv[1])\n\
    kinds = [(f, a, r) for f, a in ((socket.AF_INET, ''), (socket.AF_INET, '127.0.0.1'),\n\
    \x20   (socket.AF_INET6, '::')) for r in (0, 1)]\n\
    def takes(family, address, reuse):\n\
    \x20   with socket.socket(family) as s:\n\
    \x20       s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)\n\
    \x20       try: s.bind((address, port)); s.listen(); return True\n\
    \x20       except OSError: return False\n\
    while True:\n\
    \x20   for kind in kinds: takes(*kind)\n\
    \x20   if select.select([sys.stdin], [], [], 0)[0]:\n\
    \x20       if not sys.stdin.readline(): break\n\
    \x20       print(sum(takes(*kind) for kind in kinds * 100), flush=True)";

#[test]
fn nobody_takes_the_port_before_the_command_listens() {
    for reuse in [false, true] {
        let home = Home::new();
        let mut job = command(&home, "", &["python3", "-c", LATE]);
        if reuse {
            job.env("REUSE", "1");
        }
        let mut server = Told::start(job.stderr(Stdio::piped()));
        let said = line(server.process.0.stderr.take().unwrap());
        let port: u16 = said.rsplit(':').next().unwrap().parse().unwrap();
        let mut stranger = Command::new("python3");
        let mut stranger = Told::start(stranger.args(["-c", STRANGER]).arg(port.to_string()));

        assert_eq!(stranger.ask(), "0");
        assert_eq!(home.json(&format!("check {port}"))["verdict"], "held");
        // Whoever slips in while the command is let in cannot stay in its way.
        for expected in ["bound", "listens"] {
            assert_eq!(server.ask(), expected);
            assert_eq!(stranger.ask(), "0", "once it {expected}");
        }
        assert!(answers(port));
        signal(server.process.pid().into(), "TERM");
        assert_eq!(server.process.code(), 143);
    }
}

/// Binds sockets of many kinds one after the other, some twice, and makes them listen.
const KINDS: &str = r"
import errno, os, socket
port = int(os.environ['PORT'])
def name(call, *args):
    try: call(*args); return 'ok'
    except OSError as error: return errno.errorcode[error.errno]
def make(family, kind, options):
    s = socket.socket(family, kind)
    for level, option, value in options: s.setsockopt(level, option, value)
    return s
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
REUSE, SHARE = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
BOTH, ONLY = [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, value) for value in (0, 1)]
for title, s, address in [
    ('any', make(socket.AF_INET, STREAM, []), ('', port)),
    ('one', make(socket.AF_INET, STREAM, []), ('127.0.0.1', port)),
    ('reuse', make(socket.AF_INET, STREAM, [REUSE]), ('127.0.0.1', port)),
    ('share', make(socket.AF_INET, STREAM, [SHARE]), ('127.0.0.1', port)),
    ('both', make(socket.AF_INET6, STREAM, [BOTH]), ('::', port)),
    ('six', make(socket.AF_INET6, STREAM, [ONLY]), ('::1', port)),
    ('udp', make(socket.AF_INET, DATAGRAM, []), ('', port)),
    ('other', make(socket.AF_INET, STREAM, []), ('127.0.0.1', 0)),
    ('foreign', make(socket.AF_INET, STREAM, []), ('192.0.2.1', port)),
    ('unix', make(socket.AF_UNIX, STREAM, []), '\0portman %d' % port),
]:
    print(title, name(s.bind, address), name(s.listen) if s.type == STREAM else '-',
        s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), flush=True)
    s.close()
# Two of the command's own are in each other's way as ever.
first, second = make(socket.AF_INET, STREAM, []), make(socket.AF_INET, STREAM, [])
print('first', name(first.bind, ('127.0.0.1', port)), first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
print('second', name(second.bind, ('127.0.0.1', port)))
print('closed', name(socket.socket(fileno=os.dup(first.fileno())).listen), name(os.close, 900))
";

#[test]
fn sockets_of_every_kind_can_be_bound() {
    let home = Home::new();
    let done = ran(&home, "-q", &["python3", "-c", KINDS]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    like(
        &done.out,
        "
any ok ok 0
one ok ok 0
reuse ok ok 0
share ok ok 0
both ok ok 0
six ok ok 0
udp ok - 0
other ok ok 0
foreign EADDRNOTAVAIL ok 0
unix ok ok 0
first ok 0
second EADDRINUSE
closed ok EBADF
",
    );
}

/// A server without `SO_REUSEADDR`.
const PLAIN: &str = "import os, socket\n\
    s = socket.socket()\n\
    s.bind(('', int(os.environ['PORT'])))\n\
    s.listen()\n\
    print('listens')";

#[test]
fn the_next_server_need_not_wait_for_old_connections() {
    // Its side closes first, and is left with the rest of the connection for a minute.
    let once = PLAIN.replace("print", "s.accept()[0].close(); print");
    let home = Home::new();
    let port = free_port();
    for _ in 0..2 {
        let options = format!("--wait 30s --port {port}");
        let mut job = command(&home, &options, &["python3", "-c", &once]);
        let mut server = Server::spawn(job.stdout(Stdio::piped()).stderr(Stdio::piped()));
        line(server.0.stderr.take().unwrap());
        assert!(answers(port));
        assert_eq!(line(server.0.stdout.take().unwrap()), "listens");
        assert_eq!(server.code(), 0);
    }
    assert_eq!(home.json(&format!("check {port}"))["verdict"], "free");
}

/// Its first thread ends before another one serves.
const HEADLESS: &str = "import ctypes, os, socket, threading, time\n\
    def serve():\n\
    \x20   while os.path.exists('/proc/self/fd/0') and os.listdir('/proc/self/fd'): time.sleep(.01)\n\
    \x20   s = socket.socket()\n\
    \x20   s.bind(('', int(os.environ['PORT'])))\n\
    \x20   s.listen()\n\
    \x20   print('listens', flush=True)\n\
    \x20   os._exit(0)\n\
    threading.Thread(target=serve).start()\n\
    ctypes.CDLL(None).pthread_exit(None)";

#[test]
fn a_server_without_its_first_thread_can_bind() {
    let home = Home::new();
    let done = ran(&home, "-q", &["python3", "-c", HEADLESS]);
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (0, "listens\n", "")
    );
}

/// Gets a signal all the time, also while its calls wait for an answer.
const INTERRUPTED: &str = "import os, signal, socket\n\
    signal.signal(signal.SIGALRM, lambda *_: None)\n\
    signal.siginterrupt(signal.SIGALRM, False)\n\
    signal.setitimer(signal.ITIMER_REAL, .001, .001)\n\
    for _ in range(500):\n\
    \x20   s = socket.socket()\n\
    \x20   s.bind(('127.0.0.1', int(os.environ['PORT'])))\n\
    \x20   s.close()\n\
    signal.setitimer(signal.ITIMER_REAL, 0)\n\
    print('bound')";

#[test]
fn a_call_that_a_signal_interrupts_is_made_again() {
    let home = Home::new();
    let done = ran(&home, "-q", &["python3", "-c", INTERRUPTED]);
    assert_eq!((done.code, done.out.as_str()), (0, "bound\n"), "{done:?}");
}

const UNKEPT: &str =
    "port [..] is not kept until the command listens, whose sockets cannot be watched: [..]";

#[test]
fn a_run_within_another_says_that_the_port_is_not_kept() {
    let home = Home::new();
    let within = |options: &str| {
        let range = home.range();
        let mut words = vec![PORTMAN, "run", "--project", "inner", "--range", &range];
        words.extend(options.split_whitespace());
        words.extend(["--", "python3", "-c", PLAIN]);
        ran(&home, "-q", &words)
    };
    let done = within("");
    assert_eq!((done.code, done.out.as_str()), (0, "listens\n"), "{done:?}");
    like(
        &done.err,
        &format!("{UNKEPT}\ninner/web → http://localhost:[..]\n"),
    );
    let done = within("--json");
    assert_eq!(valid("run", &done.err)["data"]["kept"], false);
}

/// Takes a call away from this thread and all that it starts.
fn forbid(call: libc::c_long, error: i32) {
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(error.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

#[test]
fn an_old_kernel_keeps_no_port_and_refuses_no_server() {
    // The rest of the tests is to have its calls.
    std::thread::spawn(on_an_old_kernel).join().unwrap();
}

fn on_an_old_kernel() {
    let home = Home::new();
    assert_eq!(
        valid("run", &ran(&home, "--json", &["true"]).err)["data"]["kept"],
        true
    );
    // As Linux before 5.6 answers.
    forbid(libc::SYS_pidfd_getfd, libc::ENOSYS);
    let done = ran(&home, "", &["python3", "-c", PLAIN]);
    assert_eq!((done.code, done.out.as_str()), (0, "listens\n"), "{done:?}");
    like(
        &done.err,
        &format!("{UNKEPT}\nshop/web → http://localhost:[..]\n"),
    );
    let done = ran(&home, "--json", &["python3", "-c", PLAIN]);
    assert_eq!(valid("run", &done.err)["data"]["kept"], false);
    // A socket that is handed over needs no watch.
    let done = ran(&home, "--json --listen-fds", &["true"]);
    assert_eq!(valid("run", &done.err)["data"]["kept"], true);
}

/// May not be looked at, and binds another port before its own.
const SECRET: &str = "import ctypes, os, socket\n\
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n\
    socket.socket().bind(('', 0))\n\
    s = socket.socket()\n\
    s.bind(('', int(os.environ['PORT'])))\n\
    s.listen()\n\
    print('listens')";

#[test]
fn a_server_that_may_not_be_looked_at_can_bind() {
    let Some(nobody) = Nobody::new() else {
        skipped("a server that may not be looked at: root may look at all of them");
        return;
    };
    let port = free_port().to_string();
    let run = ["run", "--project", "shop", "--port", &port];
    let done = nobody.run(&[&run[..], &["-q", "--", "python3", "-c", SECRET]].concat());
    assert_eq!((done.code, done.out.as_str()), (0, "listens\n"), "{done:?}");
    // Said once.
    like(&done.err, &format!("{UNKEPT}\n"));
}

/// Enters the kernel as programs of the older architecture do, once for `bind` and once for the call
/// that is many, here `listen`.
#[cfg(target_arch = "x86_64")]
const OLDER: &str = r"
import ctypes, mmap, os, socket, struct
def call(number, *args):
    code = b'\x53\xb8' + struct.pack('<I', number)
    for register, value in zip((b'\xbb', b'\xb9', b'\xba'), args):
        code += register + struct.pack('<I', value)
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code + b'\xcd\x80\x5b\xc3')
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
MAP_32BIT = 0x40
low = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | MAP_32BIT)
at = ctypes.addressof(ctypes.c_char.from_buffer(low))
s = socket.socket()
low.write(struct.pack('<H', socket.AF_INET) + struct.pack('>H', int(os.environ['PORT'])) + bytes(12))
low.write(struct.pack('<II', s.fileno(), 1))
if 'FIRST' in os.environ: s.bind(('', int(os.environ['PORT'])))
else: print(call(361, s.fileno(), at, 16))
print(call(102, 4, at + 16))
";

#[cfg(target_arch = "x86_64")]
#[test]
fn a_program_of_an_older_architecture_can_bind() {
    for (first, out) in [(false, "0\n0\n"), (true, "0\n")] {
        let home = Home::new();
        let mut job = command(&home, "-q", &["python3", "-c", OLDER]);
        if first {
            job.env("FIRST", "1");
        }
        let done = finished(&mut job);
        assert_eq!((done.code, done.out.as_str()), (0, out), "{done:?}");
        like(&done.err, &format!("{UNKEPT}\n"));
    }
}

#[test]
fn an_unwatched_server_can_bind() {
    let home = Home::new();
    let done = ran(&home, "--unwatched", &["python3", "-c", PLAIN]);
    assert_eq!((done.code, done.out.as_str()), (0, "listens\n"), "{done:?}");
    // It was asked for.
    like(&done.err, "shop/web → http://localhost:[..]\n");
    let done = ran(&home, "--unwatched --json", &["true"]);
    assert_eq!(valid("run", &done.err)["data"]["kept"], false);
}
