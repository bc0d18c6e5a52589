'use strict'

const { call, callSync, open, openSync, detectProject, plain } = require('./call.cjs')
const { invalid } = require('./error.cjs')
const guards = require('./guards.cjs')

const secret = Symbol('opened')

class Keeper {
  #registry

  constructor(made, registry) {
    if (made !== secret) throw new TypeError('a Keeper is made by Keeper.open()')
    this.#registry = registry
    // Kept, so that a closed keeper can still be named.
    Object.defineProperty(this, 'path', { value: registry.path, enumerable: true })
  }

  static async open(options) {
    return new Keeper(secret, await open(options))
  }

  static openSync(options) {
    return new Keeper(secret, openSync(options))
  }

  #call(operation, options, placed, long) {
    return call(this.#registry, operation, options, placed, long)
  }

  #callSync(operation, options, placed) {
    return callSync(this.#registry, operation, options, placed)
  }

  check(port, options) {
    return this.#call('check', options, { port })
  }

  checkSync(port) {
    return this.#callSync('check', undefined, { port })
  }

  async reserve(port, options) {
    return this.#call('reserve', withMetadata(options), { port })
  }

  reserveSync(port, options) {
    return this.#callSync('reserve', withMetadata(options), { port })
  }

  nextFree(port, options) {
    return this.#call('nextFree', options, { port })
  }

  request(options) {
    return this.#call('request', options)
  }

  requestSync(options) {
    return this.#callSync('request', options)
  }

  async release(claims, options) {
    return this.#call('release', options, released(claims))
  }

  releaseSync(claims, options) {
    return this.#callSync('release', options, released(claims))
  }

  async lease(options) {
    return guards.lease(this.#registry, await this.#call('lease', options))
  }

  async bind(options) {
    return guards.bound(this.#registry, await this.#call('bind', options))
  }

  async hold(port, options) {
    return guards.hold(this.#registry, await this.#call('hold', options, { port }))
  }

  async waitReady(target, options) {
    return this.#call('waitReady', options, guards.target(target))
  }

  kill(port, options) {
    return this.#call('kill', options, { port })
  }

  scan(options) {
    return this.#call('scan', options)
  }

  listeners(options) {
    return this.#call('listeners', options)
  }

  get(port, options) {
    return this.#call('get', options, { port })
  }

  list(options) {
    return this.#call('list', options)
  }

  async history(options) {
    const given = plain(options)
    if (given.before === undefined) return this.#call('history', given)
    const { performedAt, id } = plain(given.before, 'before')
    if (performedAt === undefined || id === undefined) throw invalid('before', 'an object', 'is no entry of the history')
    return this.#call('history', { ...given, before: [performedAt, id] })
  }

  holderAt(port, time, options) {
    return this.#call('holderAt', options, { port, time })
  }

  async stale(options) {
    const found = await this.#call('stale', options)
    return found.map(({ reservation, daysOld }) => ({ ...reservation, daysOld }))
  }

  summary(options) {
    return this.#call('summary', options)
  }

  projects(options) {
    return this.#call('projects', options)
  }

  export(options) {
    return this.#call('export', options)
  }

  async import(options) {
    const given = plain(options)
    if (given.document !== undefined) given.document = json('document', given.document)
    return this.#call('import', given, {}, true)
  }

  configurations(options) {
    return this.#call('configurations', options)
  }

  async configuration(id, options) {
    const { configuration, ...rest } = await this.#call('configuration', options, { id })
    return { ...configuration, ...rest }
  }

  async removeConfiguration(id, options) {
    await this.#call('removeConfiguration', options, { id })
  }

  backup(path, options) {
    return this.#call('backup', options, { path }, true)
  }

  restore(path, options) {
    return this.#call('restore', options, { path }, true)
  }

  async dump(path, options) {
    await this.#call('dump', options, { path }, true)
  }

  prune(options) {
    return this.#call('prune', options, {}, true)
  }

  compact(options) {
    return this.#call('compact', options, {}, true)
  }

  verify(options) {
    return this.#call('verify', options, {}, true)
  }

  stats(options) {
    return this.#call('stats', options)
  }

  close() {
    this.#registry.close()
  }
}
if (Symbol.dispose) Keeper.prototype[Symbol.dispose] = Keeper.prototype.close

function withMetadata(options) {
  const given = plain(options)
  if (given.metadata !== undefined) given.metadata = json('metadata', given.metadata)
  return given
}

/** An object as JSON; the engine says whether it is one. */
function json(what, value) {
  try {
    const text = JSON.stringify(value)
    if (text !== undefined) return text
  } catch (error) {
    throw invalid(what, typeof value, `has no JSON: ${error.message}`)
  }
  throw invalid(what, typeof value, 'has no JSON')
}

function released(claims) {
  const none = { port: undefined, ports: undefined, project: undefined }
  if (Array.isArray(claims)) return { ...none, ports: claims }
  if (claims === null || typeof claims !== 'object') return { ...none, port: claims }
  const { project, ...rest } = claims
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw invalid('claims', unknown, 'is not known: a port, ports or a project')
  return { ...none, project }
}

const Project = {
  async detect(path = '.') {
    return Project.detectSync(path)
  },
  detectSync(path = '.') {
    if (typeof path !== 'string') throw invalid('path', typeof path, 'is not a string')
    return detectProject(path)
  },
}

module.exports = { Keeper, Project }
