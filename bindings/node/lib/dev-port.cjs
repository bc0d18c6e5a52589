'use strict'

const { errorMonitor } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { debuglog } = require('node:util')

const { plain } = require('./call.cjs')
const { invalid } = require('./error.cjs')
const { Keeper, Project } = require('./keeper.cjs')
const { known, texts } = require('./options.cjs')

const debug = debuglog('portkeeper')

/** How many servers of one checkout and role may run at once, and strangers sit on its ports. */
const TRIES = 32
/** How soon after a failure a server may listen yet, as those do that try another port. */
const RETRY_MS = 1000
const OPTIONS = ['project', 'role', 'root', 'port', 'range', 'description', 'path', 'signal']

async function devPort(options) {
  const given = plain(options)
  return claimPort({ ...given, port: given.port === undefined ? environment() : given.port })
}

/** The same without a look at the environment. */
async function claimPort(options) {
  const wish = read(options)
  const keeper = await Keeper.open({ path: wish.path, busyTimeout: 5000 })
  return wish.port === undefined ? usual(keeper, wish) : chosen(keeper, wish)
}

/** The options with their defaults, each of its type. */
function read(options) {
  const given = known(options, OPTIONS, 'devPort')
  texts(given, 'project', 'role', 'root', 'description', 'path')
  const { port } = given
  if (port !== undefined && !Number.isInteger(port)) {
    throw invalid('port', port, typeof port === 'number' ? 'is not a whole number' : 'is not a number')
  }
  const { id, root } = Project.detectSync(given.root)
  const { project = id, role = 'web', description = 'dev server' } = given
  return { ...given, project, role, description, root }
}

function environment() {
  const text = process.env.PORT
  if (!text) return undefined
  if (!/^\d+$/.test(text)) throw invalid('PORT', text, 'is not a port')
  // Any port that is free: no choice of one.
  return Number(text) || undefined
}

/** The project's own port for the role; where it is taken, the one for the role's next number. */
async function usual(keeper, { project, role, root, range, description, signal }) {
  const claims = await keeper.list({ project, signal })
  const named = new Map(claims.map((claim) => [claim.lease?.role, claim]))
  let obstacle = null
  for (const name of candidates(named, role, root)) {
    const isNew = !named.has(name)
    const wanted = { project, roles: [name], strategy: 'stable', range, signal }
    const [{ number }] = await keeper.request(isNew ? { ...wanted, description } : wanted)
    const taken = await take(keeper, { project, name, number, signal })
    if (taken.obstacle) {
      obstacle ??= taken.obstacle
      continue
    }
    try {
      // It is ours alone by now, and says whose checkout's it is: another one may have been quicker.
      const { metadata } = await keeper.get(number)
      if (isElsewhere(metadata.root, root)) {
        await giveBack(taken)
        continue
      }
      if (metadata.root !== root) await keeper.reserve(number, { project, metadata: { ...metadata, root } })
    } catch (error) {
      await giveBack(taken).catch(() => {})
      throw error
    }
    const message = obstacle && `${obstacle}; using port ${number} instead`
    return new DevPort(keeper, { ...taken, project, role: name, port: number, explicit: false, claimed: true, message })
  }
  throw invalid('role', role, `has no port that could be had: ${obstacle}`)
}

/** Names for the role: those of this checkout first, then those of none, then new ones. */
function* candidates(named, role, root) {
  const names = Array.from({ length: TRIES }, (_, index) => (index === 0 ? role : `${role}-${index + 1}`))
  const owner = (name) => named.get(name)?.metadata.root
  yield* names.filter((name) => owner(name) === root)
  yield* names.filter((name) => owner(name) !== root && !isElsewhere(owner(name), root))
}

/** Whether a claim is another checkout's. One that was moved or removed leaves its claims to others. */
function isElsewhere(owner, root) {
  return typeof owner === 'string' && owner !== root && fs.existsSync(owner)
}

/** The right to use a claimed port, and the port itself until the server has it; or what is in the way. */
async function take(keeper, { project, name, number, signal }) {
  let lease
  try {
    lease = await keeper.lease({ project, roles: [name], signal })
    if (lease.port !== number) {
      // Released and claimed anew, since the number was read.
      await lease.release()
      return { obstacle: `port ${number} is no longer that of ${project}'s ${name}` }
    }
    return { lease, hold: await keeper.hold(number, { signal }) }
  } catch (error) {
    // A server of this process has it already.
    if (error.code === 'PORT_IN_USE' && error.pid === process.pid && lease) return { lease, hold: null }
    await lease?.release()
    if (!isTaken(error)) throw error
    return { obstacle: await described(keeper, number, error) }
  }
}

async function giveBack({ lease, hold }) {
  try {
    await hold?.release()
  } finally {
    await lease?.release()
  }
}

/** The user's own choice: claimed where it can be, and otherwise only explained. */
async function chosen(keeper, { project, role, port, description, signal }) {
  const made = { project, role, port, explicit: true }
  try {
    const [claim] = await keeper.list({ range: [port, port], signal })
    // A role makes the claim one that a lease can be had on.
    const name = claim ? claim.lease?.role : `${role}:${port}`
    if (!claim) {
      const wanted = { project, roles: [name], range: [port, port], description, signal }
      // Refused for a port that no request gives; then `reserve` says why, or claims it.
      const refused = await keeper.request(wanted).then(() => null, (error) => error)
      if (refused && refused.code !== 'RANGE_EXHAUSTED') throw refused
    }
    const row = await keeper.reserve(port, { project, signal })
    const had = row.lease?.role
    const taken = had
      ? await take(keeper, { project, name: had, number: port, signal })
      : { lease: null, hold: await keeper.hold(port, { signal }) }
    if (taken.obstacle) return new DevPort(keeper, { ...made, claimed: false, message: taken.obstacle })
    return new DevPort(keeper, { ...made, ...taken, role: had ?? role, claimed: true, message: null })
  } catch (error) {
    if (!isTaken(error)) throw error
    const message = await described(keeper, port, error)
    return new DevPort(keeper, { ...made, claimed: false, message })
  }
}

const isTaken = (error) => error.code === 'PORT_RESERVED' || error.code === 'PORT_IN_USE'

/** Who has the port. Of a claim that is used, who listens says more than since when it is claimed. */
async function described(keeper, port, error) {
  if (error.code !== 'PORT_RESERVED') return error.message
  const state = await keeper.check(port)
  const isUsed = state.verdict === 'listening' || state.verdict === 'bound'
  return isUsed ? `port ${port} is not free: ${state.explanation}` : error.message
}

class DevPort {
  #keeper
  #lease
  #hold
  /** What the registry is being told, one after the other. */
  #told = Promise.resolve()

  constructor(keeper, { lease = null, hold = null, ...shown }) {
    this.#keeper = keeper
    this.#lease = lease
    this.#hold = hold
    const { port, project, role, explicit, claimed, message } = shown
    Object.assign(this, { port, project, role, explicit, claimed, message })
  }

  /** `ended` is called when the server closes, or does not come to listen on the port. */
  serve(server, ended = () => this.#quietly(() => this.release())) {
    if (typeof server?.once !== 'function' || typeof server.address !== 'function') {
      throw invalid('server', typeof server, 'is no net.Server')
    }
    const listens = () => {
      if (server.address()?.port === this.port) this.#listens()
      else ended()
    }
    if (server.listening) listens()
    else server.once('listening', listens)
    server.once('close', () => ended())
    // One that fails to listen never closes. The monitor leaves the error to whom it is for.
    server.on(errorMonitor, () => {
      if (!server.listening) setTimeout(() => server.listening || ended(), RETRY_MS).unref()
    })
  }

  /** Takes a port again that was released; says what is in the way, if anything. */
  async take() {
    await this.#told
    const { obstacle, lease, hold } = await take(this.#keeper, { project: this.project, name: this.role, number: this.port })
    if (obstacle) return obstacle
    this.#lease = lease
    this.#hold = hold
    return null
  }

  async listening(options) {
    const { pid = process.pid, timeout, signal } = known(options, ['pid', 'timeout', 'signal'], 'listening')
    await this.#keeper.waitReady(this.port, { pid, timeout, signal })
    await this.#listens()
  }

  /** The hold has done its duty. Without a lease it goes on, since it is what says whose use it is. */
  #listens() {
    if (!this.claimed) return undefined
    const before = this.#told
    // A release that comes meanwhile waits for the scan, which else would find the server once more.
    this.#told = this.#quietly(async () => {
      await before
      if (this.#lease) {
        const hold = this.#hold
        this.#hold = null
        await hold?.release()
      }
      await this.#keeper.scan()
    })
    return this.#told
  }

  /** A server must not fail because of what the registry says of it. */
  #quietly(work) {
    return work().catch((error) => debug('port %d: %s', this.port, error.message))
  }

  async release() {
    const before = this.#told
    const released = (async () => {
      await before
      const [lease, hold] = [this.#lease, this.#hold]
      await giveBack({ lease, hold })
      // Not before: what failed can be tried again.
      this.#lease = this.#hold = null
      if (hold && !lease) await this.#keeper.scan()
    })()
    this.#told = released.catch(() => {})
    return released
  }

  releaseSync() {
    const [lease, hold] = [this.#lease, this.#hold]
    try {
      hold?.releaseSync()
    } finally {
      lease?.releaseSync()
    }
    this.#lease = this.#hold = null
  }
}
if (Symbol.dispose) DevPort.prototype[Symbol.dispose] = DevPort.prototype.releaseSync
if (Symbol.asyncDispose) DevPort.prototype[Symbol.asyncDispose] = DevPort.prototype.release

module.exports = { devPort, claimPort }
