'use strict'

const { AsyncLocalStorage } = require('node:async_hooks')
const path = require('node:path')

const { claimPort } = require('./lib/dev-port.cjs')
const { invalid, isOutOfReach } = require('./lib/error.cjs')
const { known, portOf, texts } = require('./lib/options.cjs')

const OPTIONS = ['project', 'role', 'range', 'hmr', 'path']

/** Where a configuration carries what this plugin wants for the server that may be made of it. */
const PLAN = 'portkeeper'

/**
 * During a restart of Vite, the server that goes and those that were made to follow it. The new one is
 * made while the old one still listens, of a new configuration, and perhaps by a new copy of this module.
 */
const restarts = (globalThis[Symbol.for('portkeeper.vite.restarts')] ??= new AsyncLocalStorage())

/** The same port for this project and checkout every day. */
function portkeeper(options) {
  const { hmr: separate = false, role = 'web', ...shared } = known(options, OPTIONS, 'portkeeper')
  texts({ ...shared, role }, 'project', 'role', 'path')
  if (typeof separate !== 'boolean') throw invalid('hmr', separate, 'is not a boolean')

  /** One port that a configuration is about. */
  function wish(purpose, root, wanted) {
    const key = JSON.stringify([purpose, root, wanted.role, shared])
    return { purpose, key, options: { ...shared, ...wanted, root }, dev: null }
  }

  function wishes({ root: folder = '.', server = {}, preview = {} }, { isPreview }) {
    const root = path.resolve(folder)
    const socket = isPreview ? null : hmrSocket(server, separate)
    const found = []
    if (isPreview) {
      found.push(wish('preview', root, { role: `${role}-preview`, port: portOf(preview.port), description: 'Vite preview' }))
    } else if (!server.middlewareMode) {
      found.push(wish('server', root, { role, port: portOf(server.port), description: 'Vite dev server' }))
    }
    if (socket) {
      found.push(wish('hmr', root, { role: `${role}-hmr`, port: portOf(socket.port), description: 'Vite HMR' }))
    }
    // Port 0 is any that is free, and of nobody's choice.
    return found.filter(({ options }) => options.port !== 0)
  }

  const plugin = {
    name: 'portkeeper',
    apply: 'serve',

    config: {
      // After all others: what a framework sets is the user's choice as well.
      order: 'post',
      /** Says the ports and keeps none: not every configuration becomes a server. */
      async handler(config, env) {
        // A second plugin of this kind has nothing to add.
        if (process.env.VITEST || config[PLAN]) return undefined
        const plan = { plugin, wishes: wishes(config, env) }
        const changes = { [PLAN]: plan }
        try {
          for (const wish of plan.wishes) {
            if (wish.options.port !== undefined) continue
            wish.dev = await usual(wish)
            const { port } = wish.dev
            if (wish.purpose === 'hmr') changes.server = { ...changes.server, [hmrOption(this?.meta?.viteVersion)]: { port } }
            else changes[wish.purpose] = { port, strictPort: config[wish.purpose]?.strictPort ?? true }
          }
        } catch (error) {
          return { [PLAN]: { plugin, wishes: [], problem: withoutRegistry(error) } }
        }
        return changes
      },
    },

    configureServer: (server) => serve(plugin, server),
    configurePreviewServer: (server) => serve(plugin, server),
  }
  return plugin
}

/** The port that a server has which is made now: in a restart the same, else that of every day. */
async function usual({ key, options }) {
  const before = restarts.getStore()?.at(-1)?.uses.get(key)
  // A port that the configuration named before, and names no more, is not that of every day.
  if (before?.isAlive && !before.dev.explicit) return before.dev
  const dev = await claimPort(options)
  await dev.release()
  return dev
}

/** A dev server can do without a registry; a wrong option is for its author to correct. */
function withoutRegistry(error) {
  if (!isOutOfReach(error)) throw error
  return `${error.message}; the port is left to Vite`
}

/** Takes the ports for a server, which has been made and does not listen yet. */
async function serve(plugin, server) {
  const { config } = server
  const plan = config[PLAN]
  if (plan?.plugin !== plugin) return
  const warn = (message) => message && config.logger.warn(`[portkeeper] ${message}`)
  if (plan.problem) warn(plan.problem)

  const served = { config, uses: new Map() }
  const before = restarts.getStore()
  const earlier = before?.at(-1)
  if (before?.length > 0) before.push(served)
  const end = follow(server, served)
  try {
    for (const wish of plan.wishes) {
      const old = handedOn(wish, earlier)
      const use = old ?? new Use(await taken(wish, config, warn))
      use.users.add(config)
      served.uses.set(wish.key, use)
      if (wish.purpose !== 'hmr') use.dev.serve(server.httpServer, () => use.end(config))
      else if (!old) followSocket(use, server)
    }
  } catch (error) {
    // Vite gives up a server whose plugin fails, and closes none.
    if (!isOutOfReach(error)) await end(served)
    warn(withoutRegistry(error))
  }
}

/** The use of a port that goes on, in a restart. */
function handedOn(wish, before) {
  const port = wish.dev?.port ?? wish.options.port
  const uses = [...(before?.uses.values() ?? [])]
  return uses.find((use) => use.isAlive && use.dev.port === port)
}

/** The port of a wish for its server alone. Who came since the configuration was made is evaded. */
async function taken({ purpose, options, dev }, config, warn) {
  const obstacle = dev && (await dev.take())
  if (dev && !obstacle) {
    warn(dev.message)
    return dev
  }
  if (purpose === 'hmr' && obstacle) {
    // Vite has made the socket's server, and it goes nowhere else.
    warn(`${obstacle}; hot updates have no port until Vite is started again`)
    return dev
  }
  const other = await claimPort(options)
  warn(other.message)
  if (obstacle) config[purpose].port = other.port
  return other
}

/** A port in use: of one server, and of two while it restarts. */
class Use {
  /** The configurations of the servers. */
  users = new Set()
  ended = new AbortController()
  #released = null

  constructor(dev) {
    this.dev = dev
  }

  get isAlive() {
    return !this.ended.signal.aborted
  }

  /** Waits until this process listens, where nobody else says when. */
  listens() {
    return this.dev.listening({ timeout: 60_000, signal: this.ended.signal }).catch(() => {})
  }

  /** Resolves when the port can be had again, where it was the last user. */
  end(user) {
    if (this.users.delete(user) && this.users.size === 0) {
      this.ended.abort()
      this.#released = this.dev.release().catch(() => {})
    }
    return this.#released
  }
}

/** Ends the uses with their server: when it is closed, or another one has followed it. Returns what ends them. */
function follow(server, served) {
  const end = ({ config, uses }) => Promise.all([...uses.values()].map((use) => use.end(config)))
  const { close, restart } = server
  server.close = async function (...args) {
    try {
      return await close.apply(this, args)
    } finally {
      // One that never listened emits no `close`.
      await end(served)
    }
  }
  if (!restart) return end
  server.restart = async function (...args) {
    const all = [served]
    try {
      return await restarts.run(all, () => restart.apply(this, args))
    } finally {
      // What it is now has its configuration. The others are gone, whether replaced or failed.
      for (const one of all.splice(0)) {
        if (one.config === server.config) one.uses.forEach((use) => use.listens())
        else await end(one)
      }
    }
  }
  return end
}

/** Vite's own server for HMR listens when the main one does; without one, as soon as it is made. */
function followSocket(use, { httpServer }) {
  if (httpServer) httpServer.once('listening', () => use.listens())
  else use.listens()
}

/** What HMR listens on where it has a server of its own. */
function hmrSocket({ hmr, ws, port, middlewareMode }, separate) {
  if (hmr === false || ws === false) return null
  const own = { ...(typeof hmr === 'object' ? hmr : {}), ...(typeof ws === 'object' ? ws : {}) }
  if (own.server) return null
  if (own.port !== undefined) return own.port === port ? null : { port: own.port }
  return middlewareMode || separate ? {} : null
}

/** Vite 8.1 has moved it, and warns of the old place. */
function hmrOption(version = '') {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 8 || (major === 8 && minor >= 1) ? 'ws' : 'hmr'
}

module.exports = portkeeper
module.exports.default = portkeeper
module.exports.portkeeper = portkeeper
