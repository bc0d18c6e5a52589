'use strict'

const path = require('node:path')

const { claimPort } = require('./lib/dev-port.cjs')
const { invalid, isOutOfReach } = require('./lib/error.cjs')
const { known, portOf } = require('./lib/options.cjs')

const OPTIONS = ['project', 'role', 'range', 'hmr', 'path']

/**
 * The ports of this process by folder, role and choice. A restart of Vite runs the configuration anew
 * while the old server still listens, and perhaps loads this module anew.
 */
const entries = (globalThis[Symbol.for('portkeeper.vite')] ??= new Map())

/** The same port for this project and checkout every day. */
function portkeeper(options) {
  const { hmr: separate = false, role = 'web', ...shared } = known(options, OPTIONS, 'portkeeper')
  if (typeof separate !== 'boolean') throw invalid('hmr', separate, 'is not a boolean')

  const messages = []
  const uses = {}

  /** The port for one purpose, where it is for this plugin to set it. */
  async function take(purpose, root, wanted) {
    const key = JSON.stringify([root, wanted.role, wanted.port, shared])
    let entry = entries.get(key)
    if (!entry) {
      const dev = await claimPort({ ...shared, ...wanted, root }).catch(withoutRegistry)
      if (!dev) return undefined
      if (dev.message) messages.push(dev.message)
      entry = { dev, servers: new Set() }
      entries.set(key, entry)
    }
    uses[purpose] = { key, entry }
    return entry.dev.claimed && !entry.dev.explicit ? entry.dev.port : undefined
  }

  /** A dev server can do without a registry; a wrong option is for its author to correct. */
  function withoutRegistry(error) {
    if (!isOutOfReach(error)) throw error
    messages.push(`${error.message}; the port is left to Vite`)
    return null
  }

  /** Whether the use ends with its server, rather than going on in another, as after a restart. */
  function isLast(use) {
    const { key, entry } = use
    if (!entry.servers.delete(use) || entry.servers.size > 0) return false
    if (entries.get(key) === entry) entries.delete(key)
    return true
  }

  return {
    name: 'portkeeper',
    apply: 'serve',

    config: {
      // After all others: what a framework sets is the user's choice as well.
      order: 'post',
      async handler(config, env) {
        if (process.env.VITEST) return undefined
        const root = path.resolve(config.root ?? '.')
        if (env.isPreview) {
          const wanted = { role: `${role}-preview`, port: portOf(config.preview?.port), description: 'Vite preview' }
          const port = config.preview?.port === 0 ? undefined : await take('main', root, wanted)
          return port && { preview: { port, strictPort: config.preview?.strictPort ?? true } }
        }
        const server = {}
        if (!config.server?.middlewareMode && config.server?.port !== 0) {
          const wanted = { role, port: portOf(config.server?.port), description: 'Vite dev server' }
          const port = await take('main', root, wanted)
          if (port) Object.assign(server, { port, strictPort: config.server?.strictPort ?? true })
        }
        const socket = hmrSocket(config.server ?? {}, separate)
        if (socket) {
          const wanted = { role: `${role}-hmr`, port: portOf(socket.port), description: 'Vite HMR' }
          const port = await take('hmr', root, wanted)
          if (port) server[hmrOption(this?.meta?.viteVersion)] = { port }
        }
        return { server }
      },
    },

    configResolved(config) {
      for (const message of messages.splice(0)) config.logger.warn(`[portkeeper] ${message}`)
    },

    configureServer(server) {
      const { main, hmr } = uses
      if (main) followMain(main, server)
      if (hmr) followHmr(hmr, server)
    },

    configurePreviewServer(server) {
      const { main } = uses
      if (main) followMain(main, server)
    },
  }

  function release(use) {
    if (isLast(use)) use.entry.dev.release().catch(() => {})
  }

  /** A server that never listened emits no `close`. */
  function followMain(main, server) {
    main.entry.servers.add(main)
    if (server.httpServer) main.entry.dev.serve(server.httpServer, () => isLast(main))
    afterClose(server, () => release(main))
  }

  /** Nobody is told when Vite's own HMR server listens. */
  function followHmr(hmr, server) {
    hmr.entry.servers.add(hmr)
    const closed = new AbortController()
    const wait = () => hmr.entry.dev.listening({ timeout: 60_000, signal: closed.signal }).catch(() => {})
    const ended = () => {
      closed.abort()
      release(hmr)
    }
    afterClose(server, ended)
    // It listens when the server does; without one nobody says when.
    if (!server.httpServer) return void wait()
    server.httpServer.once('listening', wait)
    server.httpServer.once('close', ended)
  }
}

/** Runs `ended` once a server of Vite is closed, whether or not it has ever listened. */
function afterClose(server, ended) {
  const { close } = server
  if (typeof close !== 'function') return
  server.close = async function (...args) {
    try {
      return await close.apply(this, args)
    } finally {
      ended()
    }
  }
}

/** What HMR listens on where it has a server of its own. */
function hmrSocket({ hmr, ws, port, middlewareMode }, separate) {
  if (hmr === false || ws === false) return null
  const own = { ...(typeof hmr === 'object' ? hmr : {}), ...(typeof ws === 'object' ? ws : {}) }
  if (own.server || own.port === 0) return null
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
