'use strict'

const { call, callSync } = require('./call.cjs')
const { invalid } = require('./error.cjs')

const secret = Symbol('made by a keeper')

/**
 * What a keeper keeps until it is released, or this process or worker ends. No garbage collection ends
 * it: the port of `const { port } = await keeper.lease(…)` is a server's, which knows no lease.
 */
class Guard {
  #registry
  #guard

  constructor(made, registry, guard) {
    if (made !== secret) throw new TypeError(`a ${new.target.name} is made by a Keeper`)
    this.#registry = registry
    this.#guard = guard
  }

  async release() {
    await call(this.#registry, 'releaseGuard', undefined, { guard: this.#guard })
  }

  releaseSync() {
    callSync(this.#registry, 'releaseGuard', undefined, { guard: this.#guard })
  }

  /** What `waitReady` asks about. */
  static target(target) {
    if (target !== null && typeof target === 'object') {
      if (!(#guard in target)) throw invalid('target', 'an object', 'is neither a port nor a lease')
      return { guard: target.#guard, port: undefined }
    }
    return { guard: undefined, port: target }
  }

  static ask(guard, operation, placed) {
    return call(guard.#registry, operation, undefined, { guard: guard.#guard, ...placed })
  }

  static socket(bound) {
    return callSync(bound.#registry, 'takeSocket', undefined, { guard: bound.#guard })
  }
}

// Node 20 has these symbols; who has another runtime does without the syntax.
if (Symbol.dispose) Guard.prototype[Symbol.dispose] = Guard.prototype.releaseSync
if (Symbol.asyncDispose) Guard.prototype[Symbol.asyncDispose] = Guard.prototype.release

class Lease extends Guard {
  constructor(made, registry, { guard, ports, reservations }) {
    super(made, registry, guard)
    this.port = ports[0]
    this.ports = Object.freeze(ports)
    this.reservations = Object.freeze(reservations)
  }

  async setRole(port, role) {
    await Guard.ask(this, 'setRole', { port, role: role ?? undefined })
  }
}

class BoundPort extends Lease {
  #fd

  constructor(made, registry, { guard, ports, reservations, address }) {
    super(made, registry, { guard, ports, reservations })
    this.address = address
    this.reservation = reservations[0]
  }

  get fd() {
    this.#fd ??= Guard.socket(this)
    return this.#fd
  }
}

class Hold extends Guard {
  constructor(made, registry, { guard, ports }) {
    super(made, registry, guard)
    this.port = ports[0]
  }

  async lend() {
    await Guard.ask(this, 'lend')
  }

  takeBack() {
    return Guard.ask(this, 'takeBack')
  }
}

module.exports = {
  Lease,
  BoundPort,
  Hold,
  lease: (registry, made) => new Lease(secret, registry, made),
  bound: (registry, made) => new BoundPort(secret, registry, made),
  hold: (registry, made) => new Hold(secret, registry, made),
  target: Guard.target,
}
