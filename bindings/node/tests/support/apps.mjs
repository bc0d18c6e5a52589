// Apps in temporary folders, and the real dev servers that are started in them.

import { spawn, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { Keeper } from 'portkeeper'

const here = path.dirname(fileURLToPath(import.meta.url))
const installed = path.join(here, '..', 'node_modules')
const example = path.join(here, '..', '..', '..', '..', 'examples', 'vite-app')

/** Where tests look for ports: not where people do. */
export const RANGE = [20000, 29999]
/** No wait is longer. */
export const DEADLINE = 60_000

const endings = new WeakMap()

/** Does this after the test, the last thing first: a server ends before its folder goes. */
function afterwards(t, work) {
  const stack = endings.get(t) ?? []
  if (stack.length === 0) {
    t.after(async () => {
      for (const end of stack.reverse()) await end()
    })
  }
  stack.push(work)
  endings.set(t, stack)
}

/** A folder with a registry of its own, both gone after the test. */
export function folder(t) {
  const made = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'portkeeper-'))
  afterwards(t, () => fs.rmSync(made, { recursive: true, force: true, maxRetries: 5 }))
  return made
}

/** The example app in `root`, for a version of Vite; the options replace the plugin's. */
export function viteApp(root, version, options = {}, server = {}) {
  fs.mkdirSync(root, { recursive: true })
  for (const file of ['package.json', 'index.html', 'main.js', 'vite.config.js']) {
    fs.copyFileSync(path.join(example, file), path.join(root, file))
  }
  const config = path.join(root, 'vite.config.js')
  const wish = JSON.stringify({ range: RANGE, ...options })
  const text = fs.readFileSync(config, 'utf8').replace('portkeeper()', `portkeeper(${wish})`)
  fs.writeFileSync(config, text.replace('plugins:', `clearScreen: false, ...${JSON.stringify(server)}, plugins:`))
  link(root, { portkeeper: 'portkeeper', vite: version === 7 ? 'vite-7' : 'vite' })
  return root
}

/** `node_modules` with these packages, by the name that the app has for them. */
export function link(root, packages) {
  fs.mkdirSync(path.join(root, 'node_modules'), { recursive: true })
  for (const [name, target] of Object.entries(packages)) {
    const place = path.join(root, 'node_modules', name)
    fs.mkdirSync(path.dirname(place), { recursive: true })
    fs.symlinkSync(fs.realpathSync(path.join(installed, target)), place)
  }
}

/** A linked git worktree of the repository that `root` becomes. */
export function worktree(root, name) {
  const git = (...args) => execFileSync('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args])
  git('init', '-q')
  fs.writeFileSync(path.join(root, '.gitignore'), 'node_modules\n')
  git('add', '.')
  git('commit', '-qm', 'An app')
  const made = path.join(path.dirname(root), name)
  git('worktree', 'add', '-q', made)
  fs.cpSync(path.join(root, 'node_modules'), path.join(made, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  return made
}

/** A process whose output is kept. It has ended when the test has. */
export class Running {
  constructor(t, command, args, options = {}) {
    this.output = ''
    const { env, ...rest } = options
    this.child = spawn(command, args, { stdio: 'pipe', env: { ...process.env, NO_COLOR: '1', ...env }, ...rest })
    this.hasEnded = false
    // Later than `exit`: all of its output is here by then.
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.hasEnded = true
      return { code, signal }
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text))
    }
    afterwards(t, () => this.stop('SIGKILL'))
  }

  get pid() {
    return this.child.pid
  }

  /** Waits for a text; fails when the process ends without it, or goes on for too long. */
  says(pattern) {
    return eventually(() => `${pattern} in\n${this.output}`, () => {
      const found = pattern.exec(this.output)
      if (!found && this.hasEnded) throw new Error(`${pattern} was not said:\n${this.output}`)
      return found
    })
  }

  /** Ends it, and says how it ended. */
  async stop(signal) {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal)
    return this.ended
  }
}

/** A real Vite, when it listens. `port` is what it says. */
export async function vite(t, root, args = [], env = {}) {
  const program = path.join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  const server = new Running(t, process.execPath, [program, ...args], { cwd: root, env })
  const [, port] = await server.says(/Local:\s+http:\/\/[^:]+:(\d+)\//)
  server.port = Number(port)
  return server
}

/** A stranger that listens on a port, as soon as it can: see `becomes`. */
export async function stranger(t, address, port) {
  const family = address.includes(':') ? 'AF_INET6' : 'AF_INET'
  const script = `import signal, socket, time
while True:
    try:
        s = socket.create_server(('${address}', ${port}), family=socket.${family})
        break
    except OSError:
        time.sleep(0.02)
print('up', flush=True)
signal.pause()`
  const process = new Running(t, 'python3', ['-c', script])
  await process.says(/up/)
  return process
}

/** Another process that has the write lock of a database. */
export async function lockedBy(t, file) {
  const script = `import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
sys.stdin.read()`
  const process = new Running(t, 'python3', ['-c', script, file])
  await process.says(/locked/)
  return process
}

/** Different ports of the range that nobody has, ascending. */
export async function freePorts(count) {
  const keeper = Keeper.openSync({ inMemory: true })
  const claims = await keeper.request({ project: 'tests', count, range: RANGE, strategy: 'random' })
  return claims.map((claim) => claim.number).sort((a, b) => a - b)
}

/** Asks until the answer is true. `what` is a text, or a function of one. */
export async function eventually(what, ask) {
  const end = Date.now() + DEADLINE
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`${typeof what === 'function' ? what() : what} did not happen within ${DEADLINE} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Waits for a verdict: whoever walks through /proc meanwhile keeps a closed socket for a moment. */
export function becomes(keeper, port, verdict) {
  let state = null
  return eventually(() => `${verdict} instead of ${JSON.stringify(state)}`, async () => {
    state = await keeper.check(port)
    return state.verdict === verdict && state
  })
}

/** The registry of `folder`, as a variable of the environment and opened. */
export async function registry(root) {
  const file = path.join(root, 'registry.db')
  return { env: { PORTKEEPER_DB_PATH: file }, keeper: await Keeper.open({ path: file }) }
}
