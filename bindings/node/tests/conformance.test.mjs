// The table of tests/conformance in Node; its README says what it means.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Keeper, Project } from 'portkeeper'

import { Running, folder, freePorts } from './support/apps.mjs'

const table = fileURLToPath(new URL('../../../tests/conformance/', import.meta.url))
const TIMES = ['since', 'until', 'time', 'performedAt']
/** What has a place of its own in this binding. */
const PLACED = {
  check: ['port'], nextFree: ['port'], reserve: ['port'], get: ['port'], hold: ['port'], kill: ['port'], holderAt: ['port', 'time'],
  configuration: ['id'], removeConfiguration: ['id'], backup: ['path'], restore: ['path'], dump: ['path'],
}

/** The arguments as this binding has them: milliseconds without a suffix, and dates. */
function native(value, name) {
  if (TIMES.includes(name) && typeof value === 'string') return new Date(value)
  if (name === 'metadata' || name === 'document' || value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.replace(/Ms$/, ''), native(item, key)]))
}

function filled(value, known) {
  if (typeof value === 'string') {
    return value in known ? known[value] : Object.entries(known).reduce((text, [name, item]) => text.replaceAll(name, item), value)
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, known))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, known)]))
}

function matches(value, pattern, at) {
  if (pattern === '$any') return assert.ok(value !== null && value !== undefined, at)
  if (Array.isArray(pattern)) {
    assert.equal(value?.length, pattern.length, `${at}: ${JSON.stringify(value)}`)
    return pattern.forEach((item, index) => matches(value[index], item, `${at}[${index}]`))
  }
  if (pattern === null || typeof pattern !== 'object') return assert.deepEqual(value, pattern, at)
  for (const [key, item] of Object.entries(pattern)) matches(value?.[key], item, `${at}.${key}`)
}

for (const file of fs.readdirSync(table).filter((name) => name.endsWith('.json'))) {
  for (const { name, ports = 0, steps } of JSON.parse(fs.readFileSync(path.join(table, file), 'utf8'))) {
    test(`conformance: ${file}: ${name}`, async (t) => {
      // What is registered first runs first: the guards go before the folder.
      const guards = new Map()
      t.after(() => [...guards.values()].forEach((guard) => guard.releaseSync()))
      const dir = folder(t)
      const keeper = await Keeper.open({ path: path.join(dir, 'database.db'), actor: 'conformance' })
      const known = { $dir: dir, $pid: process.pid }
      if (ports > 0) (await freePorts(ports)).forEach((port, index) => (known[`$${index + 1}`] = port))
      for (const [index, { op, args, as, cancel = false, ok, error }] of steps.entries()) {
        const at = `step ${index} (${op})`
        const result = await run(t, keeper, op, native(filled(args, known)), guards, cancel).then(
          (value) => ({ value }),
          (refusal) => ({ refusal }),
        )
        if (result.value?.stranger) known.$stranger = result.value.stranger
        if (as && result.value) guards.set(as, result.value)
        if (error) {
          assert.ok(result.refusal, `${at}: ${JSON.stringify(result.value)}`)
          matches(result.refusal, filled(error, known), at)
        } else {
          if (result.refusal) throw result.refusal
          // As documented JSON: dates are texts there.
          const shown = result.value === undefined ? null : JSON.parse(JSON.stringify(result.value))
          if (ok !== undefined) matches(shown, filled(ok, known), at)
        }
      }
    })
  }
}

async function run(t, keeper, op, args, guards, cancel) {
  switch (op) {
    case 'open':
      return (await Keeper.open(args)).close()
    case 'detect':
      return Project.detect(args.path)
    case 'end':
      await guards.get(args.guard).release()
      return guards.delete(args.guard)
    case 'setRoles':
      return guards.get(args.guard).setRole(args.port, args.role)
    case 'lend':
      return guards.get(args.guard).lend()
    case 'takeBack':
      return guards.get(args.guard).takeBack()
    case 'waitReady': {
      const { guard, port, ...options } = args
      return keeper.waitReady(guard ? guards.get(guard) : port, options)
    }
    case 'release': {
      const { port, ports, project, ...options } = args
      return keeper.release(port ?? ports ?? { project }, options)
    }
    case 'listen': {
      const server = net.createServer().listen(args.port, '127.0.0.1')
      await once(server, 'listening')
      return t.after(() => server.close())
    }
    case 'stranger': {
      // Node closes the input of a child that has ended, and the stranger's parent ends at once.
      const script = 'python3 "$0" "$1"; cat'
      const process = new Running(t, 'sh', ['-c', script, path.join(table, 'stranger.py'), String(args.port)])
      const [pid] = await process.says(/\d+/)
      return { stranger: Number(pid) }
    }
    case 'write':
      return fs.writeFileSync(args.path, args.text)
    default: {
      const placed = (PLACED[op] ?? []).map((name) => args[name])
      const rest = Object.entries(args).filter(([name]) => !(PLACED[op] ?? []).includes(name))
      const options = Object.fromEntries(rest)
      // The engine's own CANCELLED comes without a signal, from a progress callback; here it is what was thrown.
      if (!cancel) return keeper[op](...placed, options)
      const thrown = Object.assign(new Error('stopped by the case'), { code: 'CANCELLED', message: 'stopped' })
      const stopped = { ...options, onProgress: () => { throw thrown } }
      return keeper[op](...placed, stopped)
    }
  }
}
