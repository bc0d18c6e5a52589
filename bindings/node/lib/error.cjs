'use strict'

const native = require('./native.cjs')

const errorNumbers = Object.freeze(native.Bridge.errorNumbers())

/** Why an operation was refused or failed. */
class PortkeeperError extends Error {
  constructor({ code, number, message, port, project, pid, nextFree, cause }) {
    super(message, cause ? { cause: new Error(cause) } : undefined)
    Object.assign(this, { code, number, port, project, pid, nextFree })
  }
}
// Not a field: `console.log` would show it twice.
Object.defineProperty(PortkeeperError.prototype, 'name', { value: 'PortkeeperError', writable: true, configurable: true })

/** The refusal of an argument, in the words of the engine. */
function invalid(what, value, reason) {
  const code = 'INVALID_INPUT'
  const message = `${what} ${JSON.stringify(String(value))} ${reason}`
  const facts = { port: null, project: null, pid: null, nextFree: null }
  return new PortkeeperError({ code, number: errorNumbers[code], message, ...facts })
}

/** What Node's own functions reject with when their signal fires. */
function abortError(signal) {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  error.code = 'ABORT_ERR'
  return error
}

/** The value of an outcome of the addon, or its error. */
function settle(outcome) {
  if (outcome.error) throw new PortkeeperError(outcome.error)
  return outcome.value
}

/** What the author of a configuration has to correct. */
const AUTHORS = new Set(['INVALID_INPUT', 'PROJECT_REQUIRED', 'PORT_INVALID'])

/** Whether it is the registry that cannot be used, which a dev server can do without. */
function isOutOfReach(error) {
  return error instanceof PortkeeperError && !AUTHORS.has(error.code)
}

module.exports = { PortkeeperError, errorNumbers, invalid, abortError, isOutOfReach, settle }
