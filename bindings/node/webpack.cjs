'use strict'

const { plain } = require('./lib/call.cjs')
const { claimPort } = require('./lib/dev-port.cjs')
const { isOutOfReach } = require('./lib/error.cjs')
const { known, portOf } = require('./lib/options.cjs')

const OPTIONS = ['project', 'role', 'range', 'root', 'path', 'logger']

/**
 * A configuration, or a function or promise of one, with the port of this project and checkout for its
 * dev server. A plugin of webpack would come too late: the server's options are read before.
 */
function portkeeper(configuration, options) {
  const wish = known(options, OPTIONS, 'portkeeper')
  return async (env = {}, argv = {}) => {
    const resolved = await (typeof configuration === 'function' ? configuration(env, argv) : configuration)
    // Nothing is served by `webpack build`, and nothing is to be claimed for it.
    if (!env.WEBPACK_SERVE && !env.RSPACK_SERVE) return resolved
    const isList = Array.isArray(resolved)
    // Each in a list may be a function or a promise of its own.
    const all = await Promise.all((isList ? resolved : [resolved]).map((one) => (typeof one === 'function' ? one(env, argv) : one)))
    // What a server is called must not depend on which of them are started.
    const main = Math.max(all.findIndex((one) => one.devServer), 0)
    for (const [place, index] of servedOf(all, env, argv).entries()) {
      // One port of the command line is for one server; webpack says so itself.
      if (place > 0 && argv.port !== undefined) break
      const options = all[index].devServer ?? {}
      const chosen = argv.port === undefined ? options : { ...options, port: argv.port }
      const { role = 'web', ...rest } = wish
      const own = { ...rest, role: index === main ? role : `${role}-${all[index].name ?? index}`, root: wish.root ?? all[index].context }
      all[index] = { ...all[index], devServer: await serverOptions(chosen, own) }
    }
    return isList ? Object.assign(resolved, all) : all[0]
  }
}

/** The places of those configurations in a list that get a server. */
function servedOf(all, env, argv) {
  const named = argv.configName === undefined ? null : [argv.configName].flat()
  const selected = [...all.keys()].filter((index) => !named || named.includes(all[index].name))
  const configured = selected.filter((index) => all[index].devServer)
  // Where none has a server, the first has the usual one.
  const usual = selected.slice(0, 1).filter((index) => all[index].devServer !== false)
  const served = configured.length > 0 ? configured : usual
  // Rspack has one server for all of them.
  return env.RSPACK_SERVE ? served.slice(0, 1) : served
}

/** The options of a dev server with the port of this project, for `new WebpackDevServer(options, compiler)`. */
async function devServer(options, wish) {
  return serverOptions(plain(options), known(wish, OPTIONS, 'devServer'))
}

async function serverOptions(options, { logger = console, ...wish }) {
  // A socket file has no port, and port 0 is a choice: any that is free.
  if (options.ipc || portOf(options.port) === 0) return options
  const isChosen = options.port !== undefined && options.port !== 'auto'
  let dev
  try {
    dev = await claimPort({ ...wish, port: isChosen ? portOf(options.port) : undefined, description: 'webpack dev server' })
  } catch (error) {
    if (!isOutOfReach(error)) throw error
    logger.warn(`[portkeeper] ${error.message}; the port is left to the dev server`)
    return options
  }
  if (dev.message) logger.warn(`[portkeeper] ${dev.message}`)
  const { onListening } = options
  return {
    ...options,
    port: dev.port,
    onListening(server) {
      dev.serve(server.server)
      onListening?.call(this, server)
    },
  }
}

module.exports = portkeeper
module.exports.default = portkeeper
module.exports.portkeeper = portkeeper
module.exports.devServer = devServer
