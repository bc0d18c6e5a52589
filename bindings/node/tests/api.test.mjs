// What a caller sees: values, errors, signals, and ports that are kept.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import vm from 'node:vm'
import { fileURLToPath } from 'node:url'

import * as portkeeper from 'portkeeper'
import vite from 'portkeeper/vite'
import webpack from 'portkeeper/webpack'

import { RANGE, Running, becomes, folder, freePorts, lockedBy, registry } from './support/apps.mjs'

const { Keeper, Lease, PortkeeperError, Project, errorNumbers } = portkeeper
const wish = { project: 'shop', range: RANGE, strategy: 'random' }

/** The error of a call that must fail. */
async function refusal(call) {
  const value = await call().then((value) => ({ value }), (error) => ({ error }))
  assert.ok(value.error, `no error, but ${inspect(value.value)}`)
  return value.error
}

test('ESM and CommonJS have the same classes', () => {
  const required = createRequire(import.meta.url)('portkeeper')
  for (const name of Object.keys(required)) assert.equal(portkeeper[name], required[name], name)
  assert.deepEqual(Object.keys(required).sort(), Object.keys(portkeeper).sort())
})

test('a claim is a plain object with dates, and a state says its verdict', async () => {
  const keeper = await Keeper.open({ inMemory: true })
  assert.equal(keeper.path, ':memory:')
  const [port] = await freePorts(1)
  assert.deepEqual(await keeper.check(port), {
    port, status: 'free', verdict: 'free', explanation: 'free', reservation: null,
  })
  const before = Date.now() - 1000
  const metadata = { team: 'α', list: [1, 2.5, null, { deep: true }] }
  const claim = await keeper.reserve(port, { project: 'shop', tags: ['b', 'a'], metadata })
  assert.equal(Object.getPrototypeOf(claim), Object.prototype)
  assert.ok(claim.reservedAt instanceof Date && claim.reservedAt >= before && claim.reservedAt <= Date.now())
  assert.deepEqual([claim.number, claim.tags, claim.metadata], [port, ['b', 'a'], metadata])
  assert.deepEqual([claim.description, claim.pid, claim.lease, claim.lastSeenAt], [null, null, null, null])

  const state = await keeper.check(port)
  assert.deepEqual(keeper.checkSync(port), state)
  assert.deepEqual([state.verdict, state.project], ['reserved', 'shop'])
  assert.deepEqual(state.since, claim.reservedAt)
  assert.match(state.explanation, /^reserved for project "shop" since /)

  const server = net.createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  const [change] = (await keeper.scan()).changes
  assert.deepEqual(change, { port, projectName: 'shop', from: 'reserved', to: 'in-use', process: { pid: process.pid, name: 'node' } })
  const listening = await keeper.check(port)
  assert.deepEqual(listening.listeners[0].processes, [{ pid: process.pid, name: 'node' }])
  const [entry] = await keeper.history({ port, limit: 1 })
  assert.deepEqual([entry.action, entry.details.pid], ['in-use', process.pid])
  const [older] = await keeper.history({ port, before: entry, limit: 1 })
  assert.equal(older.action, 'reserved')
  assert.equal((await keeper.holderAt(port, new Date())).projectName, 'shop')
  assert.deepEqual(await keeper.summary(), { reserved_count: 0, in_use_count: 1, free_count: 0, total_count: 1 })
  assert.equal((await keeper.nextFree(port)) > port, true)
  server.close()
})

test('arguments are taken as they are, or refused by name', async () => {
  const keeper = await Keeper.open({ inMemory: true })
  const p = { project: 'shop' }
  const cases = [
    [() => keeper.check(), 'port "undefined" is not a number'],
    [() => keeper.check(null), 'port "null" is not a number'],
    [() => keeper.check('3000'), 'port "3000" is not a number'],
    [() => keeper.check(1.5), 'port "1.5" is not a whole number'],
    [() => keeper.check(NaN), 'port "NaN" is not a whole number'],
    [() => keeper.check(2 ** 60), `port "${2 ** 60}" is too large`],
    [() => keeper.check(3000n), 'port "a BigInt" is not a number'],
    [() => keeper.check(3000, { verbose: true }), 'option "verbose" is not known: check takes none'],
    [() => keeper.check(3000, 'now'), 'options "now" is not an object'],
    [() => keeper.check(3000, { signal: {} }), 'signal "object" is not an AbortSignal'],
    [() => keeper.reserve(3000, { ...p, tag: 'x' }), /^option "tag" is not known: reserve takes project, .*suggest$/],
    [() => keeper.reserve(3000, { ...p, port: 1 }), 'option "port" is an argument of its own'],
    [() => keeper.reserve(3000, { project: 7 }), 'project "7" is not a string'],
    [() => keeper.reserve(3000, { project: 'a\ud800' }), 'project "a\ufffd" is not well-formed Unicode'],
    [() => keeper.reserve(3000, { ...p, tags: ['\udc00'] }), 'tags "\ufffd" is not well-formed Unicode'],
    [() => keeper.reserve(3000, { ...p, metadata: { a: '\ud800' } }), /^metadata .* is not valid JSON: /],
    [() => keeper.reserve(3000, { ...p, description: null }), 'description "null" is not a string'],
    [() => keeper.reserve(3000, { ...p, tags: 'x' }), 'tags "x" is not an array of strings'],
    [() => keeper.reserve(3000, { ...p, tags: ['x', 1] }), 'tags "1" is not a string'],
    [() => keeper.reserve(3000, { ...p, adopt: 1 }), 'adopt "1" is not a boolean'],
    [() => keeper.reserve(3000, { ...p, metadata: [1] }), 'metadata "[1]" is not a JSON object'],
    [() => keeper.reserve(3000, { ...p, metadata: () => {} }), 'metadata "function" has no JSON'],
    [() => keeper.reserve(3000, { ...p, metadata: { n: 1n } }), /^metadata "object" has no JSON: /],
    [() => keeper.reserve(3000, [p]), 'options "an array" is not an object'],
    [() => keeper.request({ ...p, count: -1 }), 'count "-1" is negative'],
    [() => keeper.request({ ...p, count: 0.5 }), 'count "0.5" is not a whole number'],
    [() => keeper.request({ ...p, range: [1, 2, 3] }), 'range "[1, 2, 3]" is not an array of two numbers'],
    [() => keeper.request({ ...p, range: 3000 }), 'range "3000" is not an array of numbers'],
    [() => keeper.request({ ...p, strategy: 'best' }), 'strategy "best" is none of lowest, contiguous, random, stable'],
    [() => keeper.request({ ...p, ttl: -5 }), 'ttl "-5" is negative'],
    [() => keeper.request({ ...p, ownedBy: 2 ** 33 }), 'ownedBy "8589934592" is not a process id'],
    [() => keeper.bind({ ...p, address: 'here' }), 'address "here" is not an IP address'],
    [() => keeper.release({ project: 'shop', port: 3 }), 'claims "port" is not known: a port, ports or a project'],
    [() => keeper.release([3000, '1']), 'ports "1" is not a number'],
    [() => keeper.waitReady({}), 'target "an object" is neither a port nor a lease'],
    [() => keeper.waitReady(3000, { timeout: 1.5 }), 'timeout "1.5" is not a whole number'],
    [() => keeper.holderAt(3000, '2026-01-01'), 'time "2026-01-01" is not a valid Date'],
    [() => keeper.holderAt(3000, new Date('x')), 'time "Invalid Date" is not a valid Date'],
    [() => keeper.history({ before: {} }), 'before "an object" is no entry of the history'],
    [() => keeper.history({ limit: 2 ** 40 }), 'limit "1099511627776" is too large'],
    [() => keeper.list({ status: 'busy' }), 'status "busy" is none of free, reserved, in-use'],
    [() => keeper.import({}), 'import "" takes one of document, json, configuration and predecessor'],
    [() => keeper.backup(), 'path "undefined" is not a string'],
    [() => keeper.verify({ onProgress: 1 }), 'onProgress "number" is not a function'],
    [() => Keeper.open({ database: 'x' }), 'option "database" is not known: open takes path, inMemory, actor, durability, busyTimeout, allowNetworkFileSystem'],
    [() => Keeper.open({ path: 'x', inMemory: true }), 'path "x" is given for a registry in memory'],
    [() => Keeper.open({ durability: 'no' }), 'durability "no" is none of full, normal'],
    [() => portkeeper.devPort({ roles: 'x' }), /^option "roles" is not known: devPort takes project, role, /],
    [() => portkeeper.devPort({ role: 1 }), 'role "1" is not a string'],
    [() => portkeeper.devPort({ port: '3000' }), 'port "3000" is not a number'],
    [() => portkeeper.devPort({ port: 1.5 }), 'port "1.5" is not a whole number'],
    [() => portkeeper.devPort({ port: null }), 'port "null" is not a number'],
    [async () => vite({ role: 7 }), 'role "7" is not a string'],
    [async () => vite({ hmr: 1 }), 'hmr "1" is not a boolean'],
    [async () => vite({ port: 3000 }), 'option "port" is not known: portkeeper takes project, role, range, hmr, path'],
    [async () => webpack({}, { port: 3000 }), /^option "port" is not known: portkeeper takes project, role, /],
    [() => Project.detect('/nowhere'), /^project folder "\/nowhere" cannot be entered: /],
  ]
  for (const [call, message] of cases) {
    const error = await refusal(call)
    assert.ok(error instanceof PortkeeperError, inspect(error))
    assert.equal(error.code, 'INVALID_INPUT', error.message)
    if (message instanceof RegExp) assert.match(error.message, message)
    else assert.equal(error.message, message)
  }
  assert.equal((await refusal(() => keeper.check(-1))).message, 'port -1 is not in 1..=65535')
  assert.equal((await refusal(() => keeper.check(70000))).code, 'PORT_INVALID')
  assert.equal((await refusal(() => keeper.reserve(3000))).code, 'PROJECT_REQUIRED')
  assert.deepEqual(await keeper.list(), [])
  for (const made of [Keeper, Lease]) assert.throws(() => new made(), TypeError)
})

test('an error has its code, its number and the facts', async () => {
  const keeper = await Keeper.open({ inMemory: true })
  const [port] = await freePorts(1)
  await keeper.reserve(port, { project: 'shop' })
  const error = await refusal(() => keeper.reserve(port, { project: 'blog', suggest: true }))
  assert.ok(error instanceof Error && error instanceof PortkeeperError)
  assert.deepEqual([error.name, error.code, error.number], ['PortkeeperError', 'PORT_RESERVED', errorNumbers.PORT_RESERVED])
  assert.deepEqual([error.port, error.project, error.pid], [port, 'shop', null])
  assert.ok(error.nextFree > port)
  assert.match(error.message, new RegExp(`^port ${port} is reserved for project "shop" since .*; the next free port is ${error.nextFree}$`))
  assert.match(error.stack, /api\.test\.mjs/, 'the stack leads to the caller')
  assert.throws(() => keeper.reserveSync(port, { project: 'blog' }), { code: 'PORT_RESERVED', port })
  assert.throws(() => keeper.checkSync(0), { code: 'PORT_INVALID', message: 'port 0 is not in 1..=65535' })

  keeper.close()
  assert.equal((await refusal(() => keeper.check(port))).message, 'keeper "" is closed')
  keeper.close()
})

test('a panic of the addon is an error, on every thread', async () => {
  const { call, callSync } = createRequire(import.meta.url)('../lib/call.cjs')
  const native = createRequire(import.meta.url)('../lib/native.cjs')
  const { value: opened } = native.Bridge.openSync({ inMemory: true })
  const error = await refusal(() => call(opened, 'panic'))
  assert.deepEqual([error.code, error.message], ['INTERNAL', 'internal error: asked for by a test'])
  assert.throws(() => callSync(opened, 'panic'), { code: 'INTERNAL' })
  assert.equal((await call(opened, 'summary')).total_count, 0, 'and the next call works')
})

test('a signal ends a wait the way it does in Node', async (t) => {
  const keeper = await Keeper.open({ inMemory: true })
  const [port] = await freePorts(1)
  const stop = new AbortController()
  const reason = new Error('enough')
  const waiting = keeper.waitReady(port, { timeout: 60_000, signal: stop.signal })
  setImmediate(() => stop.abort(reason))
  const error = await refusal(() => waiting)
  assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', reason])
  assert.equal((await refusal(() => keeper.check(port, { signal: AbortSignal.abort() }))).name, 'AbortError')
  assert.equal((await refusal(() => Keeper.open({ inMemory: true, signal: AbortSignal.abort() }))).name, 'AbortError')
  assert.equal((await keeper.check(port, { signal: new AbortController().signal })).verdict, 'free')
  // Of another realm, as test environments have them.
  const foreign = vm.runInNewContext('new Proxy(target, { get: (it, name) => (typeof it[name] === "function" ? it[name].bind(it) : it[name]) })', { target: AbortSignal.abort() })
  assert.equal((await refusal(() => keeper.check(port, { signal: foreign }))).name, 'AbortError')

  // A busy database is waited for, too.
  const base = folder(t)
  const { keeper: writer } = await registry(base)
  const busy = await lockedBy(t, writer.path)
  const timed = AbortSignal.timeout(50)
  const begin = Date.now()
  const stopped = await refusal(() => writer.reserve(port, { project: 'shop', signal: timed }))
  assert.deepEqual([stopped.code, stopped.cause.name], ['ABORT_ERR', 'TimeoutError'])
  assert.ok(Date.now() - begin < 9000, 'the busy timeout is ten seconds')
  await busy.stop('SIGKILL')
  assert.equal(await writer.get(port), null)
})

test('progress is reported, and what its callback throws ends the work', async (t) => {
  const base = folder(t)
  const { keeper } = await registry(base)
  await keeper.request({ ...wish, count: 50 })
  const reports = []
  const target = path.join(base, 'backup.db')
  const report = await keeper.backup(target, { onProgress: (progress) => reports.push(progress) })
  assert.equal(report.path, target)
  assert.deepEqual(Object.keys(reports[0]), ['operation', 'done', 'total'])
  assert.equal(reports.at(-1).done, reports.at(-1).total)
  const thrown = new Error('not today')
  const error = await refusal(() => keeper.verify({ onProgress: () => { throw thrown } }))
  assert.equal(error, thrown)
  const controller = new AbortController()
  const aborted = await refusal(() => keeper.compact({ signal: controller.signal, onProgress: () => controller.abort() }))
  assert.equal(aborted.code, 'ABORT_ERR')

  const sql = path.join(base, 'dump.sql')
  await keeper.dump(sql)
  assert.match(fs.readFileSync(sql, 'utf8'), /COMMIT;\n$/)
  assert.equal((await refusal(() => keeper.dump(sql))).message, `path ${JSON.stringify(sql)} exists already`)
  assert.match((await refusal(() => keeper.dump(keeper.path))).message, /exists already/)
  assert.deepEqual(await keeper.verify(), [])
  const document = await keeper.export({ name: 'all' })
  assert.equal(document.ports.length, 50)
  const dry = await keeper.import({ document, dryRun: true, mode: 'replace' })
  assert.deepEqual([dry.unchanged, dry.dryRun, dry.configuration], [50, true, null])
  const [kept] = await keeper.configurations()
  assert.equal((await keeper.configuration(kept.id)).document.ports.length, 50)
  await keeper.removeConfiguration(kept.id)
})

test('a lease, a hold and a bound port end when they are released, and not before', async () => {
  const keeper = await Keeper.open({ inMemory: true })
  const project = async (port) => (await keeper.check(port)).project
  const lease = await keeper.lease({ ...wish, count: 2 })
  assert.equal(lease.ports.length, 2)
  assert.equal(lease.reservations[1].number, lease.ports[1])
  assert.ok(lease instanceof Lease)
  assert.equal((await refusal(() => keeper.waitReady(lease, { timeout: 1 }))).code, 'TIMEOUT')
  await lease.release()
  await lease.release()
  assert.equal(await project(lease.port), undefined)
  assert.equal((await refusal(() => keeper.waitReady(lease))).message, 'lease "1" was released')

  const [{ number }] = await keeper.request({ ...wish, roles: ['web'] })
  const hold = await keeper.hold(number)
  assert.deepEqual([(await keeper.check(number)).verdict, hold.port], ['held', number])
  const server = net.createServer().listen(number)
  await once(server, 'listening')
  assert.equal((await keeper.waitReady(hold)).processes[0].pid, process.pid)
  hold.releaseSync()
  server.close()
  await once(server, 'close')
  await becomes(keeper, number, 'reserved')

  const bound = await keeper.bind(wish)
  assert.equal(bound.address, '127.0.0.1')
  assert.equal((await keeper.check(bound.port)).verdict, 'listening')
  bound.releaseSync()
  await becomes(keeper, bound.port, 'free')
  assert.throws(() => bound.fd, { code: 'UNSUPPORTED' })
})

test('a release that fails can be tried again, and a busy database holds up no other guard', async (t) => {
  const base = folder(t)
  const { keeper } = await registry(base)
  const patient = await keeper.lease(wish)
  const bound = await keeper.bind(wish)
  const hasty = await Keeper.open({ path: keeper.path, busyTimeout: 50 })
  // What was to stop the call that made it does not stop its release.
  const past = new AbortController()
  const lease = await hasty.lease({ ...wish, signal: past.signal })
  const other = await hasty.bind({ ...wish, signal: past.signal })
  past.abort()
  const busy = await lockedBy(t, keeper.path)

  let isRenamed = false
  const renamed = patient.setRole(patient.port, 'web').then(() => (isRenamed = true))
  // Long enough for a thread to be about it.
  await pause(200)
  assert.equal(isRenamed, false)
  const begin = Date.now()
  assert.equal(typeof bound.fd, 'number')
  assert.ok(Date.now() - begin < 5000, 'the busy timeout of the role is ten seconds')
  for (const guard of [lease, other]) {
    assert.equal((await refusal(() => guard.release())).code, 'DATABASE_BUSY')
    assert.throws(() => guard.releaseSync(), { code: 'DATABASE_BUSY' })
  }
  await busy.stop('SIGKILL')
  await renamed
  assert.equal((await keeper.get(patient.port)).lease.role, 'web')
  for (const guard of [lease, other]) {
    assert.equal((await keeper.get(guard.port)).status, 'reserved')
    await guard.release()
    assert.equal((await keeper.get(guard.port)).status, 'free')
  }
  fs.closeSync(bound.fd)
})

test('a server listens on the descriptor of a bound port', async () => {
  const keeper = await Keeper.open({ inMemory: true })
  const bound = await keeper.bind({ ...wish, address: '::1' })
  assert.doesNotMatch(inspect(bound), /\bfd:/, 'to look at it does not take it')
  const { fd } = bound
  assert.equal(bound.fd, fd)
  const server = http.createServer((_, response) => response.end('hello')).listen({ fd })
  await once(server, 'listening')
  assert.equal(server.address().port, bound.port)
  const answer = await fetch(`http://[::1]:${bound.port}/`, { headers: { connection: 'close' } })
  assert.equal(await answer.text(), 'hello')
  await bound.release()
  assert.equal((await keeper.check(bound.port)).verdict, 'listening', 'the socket is the server\'s')
  server.close()
  await once(server, 'close')
  await becomes(keeper, bound.port, 'free')
})

test('no garbage collection takes a port from a server', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
let keeper = await Keeper.open()
const { port } = await keeper.lease(${JSON.stringify(wish)})
keeper = null
for (let round = 0; round < 20; round += 1) { gc(); await new Promise(setImmediate) }
console.log('port', port)
process.stdin.resume()`
  const args = ['--expose-gc', '--input-type=module', '-e', script]
  const owner = new Running(t, process.execPath, args, { env, cwd: fileURLToPath(new URL('.', import.meta.url)) })
  const port = Number((await owner.says(/port (\d+)/))[1])
  assert.equal((await keeper.get(port)).status, 'reserved')
  owner.child.stdin.end()
  assert.deepEqual(await owner.ended, { code: 0, signal: null })
  assert.equal((await keeper.get(port)).status, 'free', 'the end of the process does, at once')
})

test('`using` and `await using` give back', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const source = path.join(base, 'scope.mts')
  fs.writeFileSync(source, `import { Keeper } from 'portkeeper'
{
  using keeper = await Keeper.open()
  await using lease = await keeper.lease(${JSON.stringify(wish)})
  using bound = await keeper.bind(${JSON.stringify(wish)})
  await using hold = await keeper.hold((await keeper.reserve(lease.port + 1, { project: 'shop', adopt: true })).number)
  console.log(JSON.stringify((await keeper.list()).map((claim) => claim.number)))
}
const keeper = await Keeper.open()
console.log(JSON.stringify((await keeper.list()).map((claim) => [claim.status, claim.lease])))
`)
  const here = fileURLToPath(new URL('.', import.meta.url))
  const esbuild = path.join(here, 'node_modules/esbuild/bin/esbuild')
  const target = path.join(here, `node_modules/.scope-${process.pid}.mjs`)
  t.after(() => fs.rmSync(target, { force: true }))
  execFileSync(process.execPath, [esbuild, source, '--target=node20', `--outfile=${target}`, '--log-level=error'])
  const output = execFileSync(process.execPath, [target], { env: { ...process.env, ...env }, encoding: 'utf8' })
  const [inside, outside] = output.trim().split('\n').map((line) => JSON.parse(line))
  assert.equal(inside.length, 3)
  assert.deepEqual(outside, [['reserved', null]])
  assert.equal((await keeper.list()).length, 1)
})

test('synchronous twins do the same', async () => {
  const keeper = Keeper.openSync({ inMemory: true })
  const [claim] = keeper.requestSync({ ...wish, roles: ['web'] })
  assert.equal(keeper.requestSync({ ...wish, roles: ['web'] })[0].number, claim.number)
  assert.equal(keeper.reserveSync(claim.number, { project: 'shop', metadata: { a: 1 } }).metadata.a, 1)
  assert.equal(keeper.releaseSync(claim.number, { onlyOf: 'shop' })[0].status, 'free')
  assert.throws(() => keeper.releaseSync(claim.number), { code: 'PORT_NOT_FOUND', port: claim.number })
  assert.deepEqual(keeper.releaseSync({ project: 'shop' }), [])
  assert.deepEqual(await Project.detect('.'), Project.detectSync('.'))
})

test('the wrong server is named, and the right one is found', async (t) => {
  const base = folder(t)
  const { keeper } = await registry(base)
  const lease = await keeper.lease(wish)
  const script = `require('http').createServer().listen(${lease.port}, '127.0.0.1')`
  const child = new Running(t, process.execPath, ['-e', script])
  const socket = await keeper.waitReady(lease, { timeout: 30_000, pid: child.pid })
  assert.deepEqual(socket.processes, [{ pid: child.pid, name: 'node' }])
  const error = await refusal(() => keeper.waitReady(lease.port, { timeout: 30_000, pid: 1e6 }))
  assert.deepEqual([error.code, error.pid, error.port], ['WRONG_LISTENER', child.pid, lease.port])
  const report = await keeper.kill(lease.port, { grace: 30_000 })
  assert.deepEqual(report.killed, [{ pid: child.pid, name: 'node', forced: false }])
  await child.ended
  await becomes(keeper, lease.port, 'reserved')
})
