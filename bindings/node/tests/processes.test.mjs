// Worker threads, cluster, children, and the ends of all of them.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { RANGE, Running, becomes, eventually, folder, registry } from './support/apps.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const wish = JSON.stringify({ project: 'shop', range: RANGE, strategy: 'random' })

/** A Node that runs `script` as a module. */
function node(t, script, env, args = []) {
  return new Running(t, process.execPath, [...args, '--input-type=module', '-e', script], { cwd: here, env })
}

test('eight processes that ask for one range at once get eight ports', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
const keeper = await Keeper.open()
console.log('ready')
process.stdin.once('data', async () => {
  const lease = await keeper.lease({ project: 'p' + process.pid, range: [21000, 21099] })
  console.log('port', lease.port)
  process.stdin.once('end', () => {})
})`
  const all = Array.from({ length: 8 }, () => node(t, script, env))
  await Promise.all(all.map((one) => one.says(/ready/)))
  for (const one of all) one.child.stdin.write('go\n')
  const ports = await Promise.all(all.map(async (one) => Number((await one.says(/port (\d+)/))[1])))
  assert.equal(new Set(ports).size, 8, String(ports))
  assert.equal((await keeper.list()).length, 8)
  for (const one of all) {
    one.child.stdin.end()
    assert.deepEqual(await one.ended, { code: 0, signal: null })
  }
  assert.deepEqual(await keeper.list(), [], 'their ends gave them back')
})

test('nothing that is open keeps the process alive', async (t) => {
  const base = folder(t)
  const { env } = await registry(base)
  const scripts = {
    keeper: '',
    call: 'await keeper.check(20000); await keeper.scan()',
    lease: `await keeper.lease(${wish})`,
    hold: `const [{ number }] = await keeper.request({ ...${wish}, roles: ['web'] }); await keeper.hold(number)`,
    bound: `const bound = await keeper.bind(${wish}); bound.fd`,
    sync: `keeper.checkSync(20000)`,
    aborted: `await keeper.waitReady(29999, { signal: AbortSignal.timeout(20) }).catch(() => {})`,
    dev: `const dev = await devPort({ root: ${JSON.stringify(base)}, range: ${JSON.stringify(RANGE)} })`,
  }
  for (const [name, script] of Object.entries(scripts)) {
    const text = `import { Keeper, devPort } from 'portkeeper'\nconst keeper = await Keeper.open()\n${script}\nconsole.log('end')`
    const one = node(t, text, env)
    await one.says(/end/)
    assert.deepEqual(await one.ended, { code: 0, signal: null }, name)
  }
})

test('a pending call does keep the process alive, until it is answered', async (t) => {
  const base = folder(t)
  const { env } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
const keeper = await Keeper.open()
keeper.waitReady(29998, { timeout: 300 }).catch((error) => console.log(error.code))`
  const one = node(t, script, env)
  assert.deepEqual(await one.ended, { code: 0, signal: null })
  assert.match(one.output, /^TIMEOUT/)
})

test('process.exit gives leases back, in the midst of calls too', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
const keeper = await Keeper.open()
const lease = await keeper.lease(${wish})
keeper.waitReady(29998).catch(() => {})
for (let call = 0; call < 100; call += 1) keeper.request({ ...${wish}, roles: ['r' + call] }).catch(() => {})
keeper.scan()
console.log(lease.port)
process.exit(3)`
  const one = node(t, script, env)
  assert.deepEqual(await one.ended, { code: 3, signal: null })
  const row = await keeper.get(Number(/\d+/.exec(one.output)[0]))
  assert.equal(row.status, 'free')
  assert.deepEqual(await keeper.verify(), [])
})

test('workers share the registry, and their ends give back', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
import { parentPort } from 'node:worker_threads'
const keeper = await Keeper.open()
const { port } = await keeper.lease(${wish})
const [{ number }] = await keeper.request({ ...${wish}, roles: ['web-' + port] })
const hold = await keeper.hold(number)
keeper.waitReady(number).catch(() => {})
parentPort.on('message', (wanted) => wanted === 'end' && parentPort.close())
parentPort.postMessage({ port, held: hold.port })`
  const url = new URL(`data:text/javascript,${encodeURIComponent(script.replace("'portkeeper'", JSON.stringify(import.meta.resolve('portkeeper'))))}`)
  const workers = Array.from({ length: 4 }, () => new Worker(url, { env: { ...process.env, ...env } }))
  const said = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })))
  assert.equal(new Set(said.flatMap(({ port, held }) => [port, held])).size, 8)
  for (const { held } of said) assert.equal((await keeper.check(held)).verdict, 'held')
  await Promise.all(workers.map((worker) => worker.terminate()))
  for (const { port, held } of said) {
    assert.equal((await keeper.get(port)).status, 'free')
    await becomes(keeper, held, 'reserved')
  }
  assert.deepEqual(await keeper.verify(), [])
})

test('a worker that is terminated in the midst of calls leaves no lease behind', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `const { Keeper } = require(process.env.ENTRY)
const { parentPort } = require('node:worker_threads')
Keeper.open().then((keeper) => {
  for (let call = 0; call < 300; call += 1) keeper.lease(${wish}).then(() => call === 20 && parentPort.postMessage('some'))
})`
  const entry = path.join(here, '..', 'index.cjs')
  for (let round = 1; round <= 3; round += 1) {
    const worker = new Worker(script, { eval: true, env: { ...process.env, ...env, ENTRY: entry } })
    await once(worker, 'message')
    await worker.terminate()
    // This process is the owner, and lives: what was left would be left for good.
    await eventually('all given back', async () => (await keeper.list()).length === 0)
  }
  assert.ok((await keeper.history({ action: 'released', limit: 1000 })).length >= 60)
})

test('a primary binds for its cluster', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `import cluster from 'node:cluster'
import http from 'node:http'
import { Keeper } from 'portkeeper'
const keeper = await Keeper.open()
if (cluster.isPrimary) {
  const bound = await keeper.bind(${wish})
  const { fd, port } = bound
  cluster.setupPrimary({ exec: process.env.SELF, execArgv: [] })
  for (const worker of [cluster.fork({ FD: fd }), cluster.fork({ FD: fd })]) {
    worker.once('listening', () => console.log('listening', port))
  }
  process.stdin.once('end', () => { for (const id in cluster.workers) cluster.workers[id].kill() })
  process.stdin.resume()
} else {
  const { projectName } = (await keeper.list())[0]
  http.createServer((_, response) => response.end(projectName)).listen({ fd: Number(process.env.FD) })
}`
  const file = path.join(here, `node_modules/.cluster-${process.pid}.mjs`)
  const { writeFileSync, rmSync } = await import('node:fs')
  writeFileSync(file, script)
  t.after(() => rmSync(file, { force: true }))
  const primary = new Running(t, process.execPath, [file], { env: { ...env, SELF: file } })
  const port = Number((await primary.says(/(?:listening (\d+)\n){2}/))[1])
  const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
  assert.equal(await answer.text(), 'shop')
  const state = await keeper.check(port)
  assert.deepEqual([state.verdict, state.project], ['listening', 'shop'])
  primary.child.stdin.end()
  assert.equal((await primary.ended).code, 0)
  await becomes(keeper, port, 'free')
})

test('a child that is forked asks the same registry, also over a killed parent', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
import { spawn } from 'node:child_process'
const keeper = await Keeper.open()
const bound = await keeper.bind(${wish})
const server = 'const http = require("http"); http.createServer((_, r) => r.end("child")).listen({ fd: 3 }, () => console.log("up"))'
const child = spawn(process.execPath, ['-e', server], { stdio: ['ignore', 'inherit', 'inherit', bound.fd], detached: true })
console.log('child', child.pid, bound.port)
process.stdin.resume()`
  const parent = node(t, script, env)
  const [, pid, port] = (await parent.says(/child (\d+) (\d+)/)).map(Number)
  try {
    await parent.says(/up/)
    parent.child.kill('SIGKILL')
    await eventually('the parent to end', () => parent.child.signalCode !== null)
    await keeper.scan()
    const row = await keeper.get(port)
    assert.deepEqual([row.status, row.pid, row.lease.owner.pid], ['in-use', pid, pid], 'the claim went to who listens')
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
    assert.equal(await answer.text(), 'child')
  } finally {
    // It has the parent's output, which ends only with it.
    process.kill(pid, 'SIGKILL')
  }
})
