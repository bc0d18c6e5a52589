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
    const all = Array.isArray(resolved) ? [...resolved] : [resolved]
    const served = Math.max(all.findIndex((one) => one.devServer), 0)
    if (all[served].devServer === false) return resolved
    const options = all[served].devServer ?? {}
    const chosen = argv.port === undefined ? options : { ...options, port: argv.port }
    const root = wish.root ?? all[served].context
    all[served] = { ...all[served], devServer: await serverOptions(chosen, { ...wish, root }) }
    return Array.isArray(resolved) ? Object.assign(resolved, all) : all[0]
  }
}

/** The options of a dev server with the port of this project, for `new WebpackDevServer(options, compiler)`. */
async function devServer(options, wish) {
  return serverOptions(plain(options), known(wish, OPTIONS, 'devServer'))
}

async function serverOptions(options, { logger = console, ...wish }) {
  // A socket file has no port.
  if (options.ipc) return options
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
