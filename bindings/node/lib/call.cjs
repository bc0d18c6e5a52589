'use strict'

// Calls into the addon. Its threads are its own: libuv has four, for every file and name lookup too.

const native = require('./native.cjs')
const { invalid, abortError, settle } = require('./error.cjs')

const pending = new Map()
let last = 0
let alive = null

const bridge = new native.Bridge((id, message) => {
  const call = pending.get(id)
  if (!call) return
  if ('operation' in message) return call.progress(message)
  pending.delete(id)
  if (pending.size === 0) {
    clearInterval(alive)
    alive = null
  }
  call.settle(message)
})

// Leases end with the process or the worker, also through process.exit(), which runs no hook of an addon.
process.once('exit', () => bridge.close())

/**
 * Starts work of the addon, and resolves with its outcome. The process stays alive for a pending call,
 * and for nothing else.
 */
function start(begin, progress = () => {}) {
  return new Promise((resolve) => {
    last = (last + 1) >>> 0
    const id = last
    const refused = begin(id)
    if (refused) return resolve(refused)
    alive ??= setInterval(() => {}, 0x7fffffff)
    pending.set(id, { progress, settle: resolve })
  })
}

/** Options as an own object; anything but a plain one is an error. */
function plain(options, what = 'options') {
  if (options === undefined) return {}
  const isObject = options !== null && typeof options === 'object' && !Array.isArray(options)
  if (!isObject) throw invalid(what, Array.isArray(options) ? 'an array' : options, 'is not an object')
  return { ...options }
}

/** The arguments of a call: its options, and what has a place of its own, which no option may replace. */
function merge(options, placed) {
  for (const name of Object.keys(placed)) {
    if (Object.hasOwn(options, name)) throw invalid('option', name, 'is an argument of its own')
  }
  // Without what others may have put on every object.
  return Object.setPrototypeOf(Object.assign(options, placed), null)
}

/** Takes what every call may have from its options: a `signal`, and where it is `long`, `onProgress`. */
function watched(options, long) {
  const { signal, ...args } = plain(options)
  // As Node's own functions look at it: a test environment may have a class of its own.
  if (signal !== undefined && !(signal?.addEventListener && 'aborted' in signal)) {
    throw invalid('signal', signal === null ? signal : typeof signal, 'is not an AbortSignal')
  }
  if (!long) return { signal, args }
  const { onProgress, ...others } = args
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid('onProgress', typeof onProgress, 'is not a function')
  }
  return { signal, onProgress, args: others }
}

/** Calls an operation of an open registry. */
async function call(registry, operation, options, placed = {}, long = false) {
  const { args, ...watch } = watched(options, long)
  merge(args, placed)
  return stoppable(watch, (id, stop) => bridge.call(id, registry, operation, args, Object.keys(placed), stop))
}

/** The addon sees the environment of the process; a worker may have one of its own. */
function located(args) {
  const path = process.env.PORTKEEPER_DB_PATH
  return path && args.path === undefined && !args.inMemory ? { ...args, path } : args
}

/** Opens a registry. */
async function open(options) {
  const { args: given, ...watch } = watched(options, false)
  const args = located(given)
  return stoppable(watch, (id, stop) => bridge.open(id, args, stop))
}

/** What a signal stops, with one listener however many calls it is for. */
const followed = new WeakMap()
function follow(signal) {
  let stops = followed.get(signal)
  if (!stops) {
    stops = new Set()
    followed.set(signal, stops)
    signal.addEventListener('abort', () => stops.forEach((stop) => stop.stop()), { once: true })
  }
  return stops
}

async function stoppable({ signal, onProgress }, begin) {
  // The error is made after the wait: so its stack leads to the caller.
  if (!signal && !onProgress) return settle(await start((id) => begin(id, null)))
  if (signal?.aborted) throw abortError(signal)

  const stop = new native.Stop()
  const stops = signal && follow(signal)
  stops?.add(stop)
  let thrown = null
  const progress = (report) => {
    if (!onProgress || thrown) return
    try {
      onProgress(report)
    } catch (error) {
      thrown = { error }
      stop.stop()
    }
  }
  try {
    return settle(await start((id) => begin(id, stop), progress))
  } catch (error) {
    if (error.code !== 'CANCELLED') throw error
    if (thrown) throw thrown.error
    throw signal?.aborted ? abortError(signal) : error
  } finally {
    stops?.delete(stop)
  }
}

function callSync(registry, operation, options, placed = {}) {
  return settle(bridge.callSync(registry, operation, merge(plain(options), placed), Object.keys(placed)))
}

const openSync = (options) => settle(native.Bridge.openSync(located(plain(options))))
const detectProject = (path) => settle(native.Bridge.detectProject(path))

module.exports = { call, callSync, open, openSync, detectProject, plain }
