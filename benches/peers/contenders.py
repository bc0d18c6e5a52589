"""Who is compared, and how each is installed below `target/peers`. What cannot be had is skipped by name."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "benches/peers"
WORK = ROOT / "target/peers"
RUST = ROOT / "target/release/portkeeper-peers"

PYTHON_PEERS = {"psutil": "7.2.2", "portpicker": "1.6.0", "port_for": "1.1.1", "ephemeral_port_reserve": "1.1.4"}
NODE_PEERS = {"get-port": "7.2.0", "detect-port": "2.1.0", "portfinder": "1.0.38"}


@dataclass(frozen=True)
class Contender:
    """A library in a program of ours, asked line by line (`name`), or a tool that is run whole (`tools`): to list, and to
    ask for one port."""

    label: str
    ours: bool
    command: tuple = ()
    name: str = ""
    tools: tuple = ()


def run(what, *command, **options):
    """Tells whether an installation worked; its output is shown only where it did not."""
    print(f"  installing {what} …", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        print(f"SKIPPED {what}: {' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}", file=sys.stderr)
    return done.returncode == 0


def rust():
    # A workspace of its own, which has most of its dependencies in common with the engine's.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")}
    manifest = HERE / "rust/Cargo.toml"
    build = ("cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", manifest)
    if not run("the Rust peers", *build, env=environment):
        sys.exit("nothing can be compared without the engine itself")
    names = ("netstat2", "listeners", "portpicker (Rust)", "port_check")
    yield Contender("portkeeper (Rust)", True, (RUST,), "portkeeper")
    for label in names:
        yield Contender(label, False, (RUST,), label.split(" ")[0])


def c():
    library = WORK / "c"
    program = WORK / "peer-c"
    install = ROOT / "portkeeper-ffi/install.sh"
    if not install.exists():
        print("SKIPPED portkeeper (C): portkeeper-ffi is not there", file=sys.stderr)
        return
    compile_ = (
        "cc", "-O2", HERE / "peer.c", "-o", program, f"-I{library}/include", f"-L{library}/lib",
        f"-Wl,-rpath,{library}/lib", "-lportkeeper",
    )  # fmt: skip
    if run("the C library", install, library) and run("the C program", *compile_):
        yield Contender("portkeeper (C)", True, (program,), "portkeeper")


def python():
    bin_ = WORK / "venv/bin"
    if not (bin_ / "pip").exists() and not run("a Python environment", sys.executable, "-m", "venv", WORK / "venv"):
        return
    script = (bin_ / "python", HERE / "peer.py")
    for name, version in PYTHON_PEERS.items():
        if run(name, bin_ / "pip", "install", "--quiet", f"{name.replace('_', '-')}=={version}"):
            label = "portpicker (Python)" if name == "portpicker" else name
            yield Contender(label, False, (*script, name), name)
    ours = ROOT / "bindings/python"
    if ours.exists() and run("portkeeper for Python", bin_ / "pip", "install", "--quiet", ours):
        yield Contender("portkeeper (Python)", True, (*script, "portkeeper"), "portkeeper")


def node():
    folder = WORK / "node"
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("npm"):
        print("SKIPPED Node and its peers: npm is missing", file=sys.stderr)
        return
    shutil.copy(HERE / "peer.mjs", folder)
    (folder / "package.json").write_text('{"private": true}')
    script = ("node", folder / "peer.mjs")
    npm = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder)
    for name, version in NODE_PEERS.items():
        if run(name, *npm, f"{name}@{version}"):
            yield Contender(name, False, (*script, name), name)
    ours = ROOT / "bindings/node"
    if ours.exists() and run("portkeeper for Node", *npm, ours):
        yield Contender("portkeeper (Node)", True, (*script, "portkeeper"), "portkeeper")


def tools():
    if (ROOT / "bindings/cli").exists() and run(
        "portman", "cargo", "build", "--release", "--locked", "--quiet", "-p", "portkeeper-cli", "--bin", "portman"
    ):
        portman = str(ROOT / "target/release/portman")
        yield Contender("portman", True, tools=((portman, "scan", "--json"), (portman, "check", "{port}", "--json")))
    for name, *arguments in (
        ("ss", ("-ltnpH",), ("-ltnpH", "sport = :{port}")),
        ("lsof", ("-nP", "-iTCP", "-sTCP:LISTEN"), ("-nP", "-iTCP:{port}", "-sTCP:LISTEN")),
    ):
        if shutil.which(name):
            yield Contender(name, False, tools=tuple((name, *words) for words in arguments))
        else:
            print(f"SKIPPED {name}: it is not installed", file=sys.stderr)


def everyone():
    WORK.mkdir(parents=True, exist_ok=True)
    return [contender for group in (rust, c, python, node, tools) for contender in group()]
