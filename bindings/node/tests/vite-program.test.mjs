// Vite servers that a program makes, and what it makes of their configurations.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import { Running, becomes, eventually, folder, freePorts, registry, stranger, vite, viteApp } from './support/apps.mjs'

/** A program in the folder of an app, with functions of Vite; it is told to go on by a line at a time. */
function program(t, app, env, text) {
  const script = `import readline from 'node:readline'
import { createServer, optimizeDeps, preview, resolveConfig } from 'vite'
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const told = () => lines.next()
const portOf = (server) => server.httpServer.address().port
${text}
console.log('end')
process.stdin.destroy()`
  const one = new Running(t, process.execPath, ['--input-type=module', '-e', script], { cwd: app, env })
  one.goOn = () => one.child.stdin.write('\n')
  one.ends = async () => {
    await one.says(/^end$/m)
    assert.deepEqual(await one.ended, { code: 0, signal: null }, one.output)
  }
  return one
}

/** The ports of a registry: who uses each, by role. */
async function uses(keeper) {
  const claims = await keeper.list()
  return Object.fromEntries(claims.map(({ status, lease }) => [lease.role, [status, lease.owner?.pid ?? null, lease.held]]))
}

const unused = ['reserved', null, false]

for (const version of [7, 8]) {
  test(`Vite ${version}: a configuration without a server keeps no port`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version, { hmr: true })
    const one = program(t, app, env, `const config = await resolveConfig({}, 'serve')
console.log('port', config.server.port, config.server.strictPort)
await told()
const server = await createServer()
await server.listen()
console.log('listens', portOf(server))
await told()
await server.close()`)
    const [, port] = await one.says(/port (\d+) true/)
    assert.deepEqual(await uses(keeper), { web: unused, 'web-hmr': unused })
    await becomes(keeper, Number(port), 'reserved')
    one.goOn()
    assert.equal((await one.says(/listens (\d+)/))[1], port, 'the port of the server is the one that was said')

    // A command beside the server, which needs no port.
    const bin = path.join(app, 'node_modules/vite/bin/vite.js')
    const optimize = new Running(t, process.execPath, [bin, 'optimize'], { cwd: app, env })
    assert.equal((await optimize.ended).code, 0, optimize.output)
    assert.doesNotMatch(optimize.output, /\[portkeeper\]/)
    one.goOn()
    await one.ends()
    for (const use of Object.values(await uses(keeper))) assert.deepEqual(use, unused)
    assert.doesNotMatch(one.output, /\[portkeeper\]/)
  })

  test(`Vite ${version}: who comes between a configuration and its server is evaded`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const one = program(t, app, env, `const config = await resolveConfig({}, 'serve')
console.log('port', config.server.port)
await told()
const server = await createServer(config)
await server.listen()
console.log('listens', portOf(server), server.config.server.port)
await server.close()`)
    const port = Number((await one.says(/port (\d+)/))[1])
    const holder = await stranger(t, '127.0.0.1', port)
    one.goOn()
    const [, other, configured] = (await one.says(/listens (\d+) (\d+)/)).map(Number)
    assert.notEqual(other, port)
    assert.equal(configured, other)
    const message = `[portkeeper] port ${port} is not free: python3 (pid ${holder.pid}) listening on 127.0.0.1 (tcp); using port ${other} instead`
    assert.ok(one.output.includes(message), one.output)
    await one.ends()
    const { web, ...mine } = await uses(keeper)
    assert.equal(web[1], null)
    assert.deepEqual(mine, { 'web-2': unused })
  })

  test(`Vite ${version}: servers of one program have a port each, and one after the other the same`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const one = program(t, app, env, `const start = async () => (await createServer()).listen()
const first = await start()
const second = await start()
console.log('both', portOf(first), portOf(second))
await told()
await first.close()
console.log('one')
await told()
await second.close()
for (let round = 1; round <= 5; round += 1) {
  const again = await start()
  console.log('again', portOf(again))
  await again.close()
}`)
    const [, first, second] = (await one.says(/both (\d+) (\d+)/)).map(Number)
    assert.notEqual(first, second)
    const used = ['in-use', one.pid, false]
    await eventually('both in use', async () => (await keeper.list({ status: 'in-use' })).length === 2)
    assert.deepEqual(await uses(keeper), { web: used, 'web-2': used })
    one.goOn()
    await one.says(/one/)
    assert.deepEqual(await uses(keeper), { web: unused, 'web-2': used }, 'the end of one is not that of the other')
    one.goOn()
    await one.ends()
    assert.deepEqual([...one.output.matchAll(/again (\d+)/g)].map(([, port]) => Number(port)), Array(5).fill(first))
    assert.equal(one.output.match(/\[portkeeper\]/g).length, 1, one.output)
    assert.deepEqual(await uses(keeper), { web: unused, 'web-2': unused })
  })

  test(`Vite ${version}: a server that never listens gives its ports back when it is closed`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version, { hmr: true })
    const one = program(t, app, env, `const server = await createServer()
console.log('made', server.config.server.port)
await told()
await server.close()
console.log('closed')
await told()`)
    const [, port] = await one.says(/made (\d+)/)
    const held = ['reserved', one.pid, true]
    assert.deepEqual(await uses(keeper), { web: held, 'web-hmr': held })
    assert.equal((await keeper.check(Number(port))).verdict, 'held')
    one.goOn()
    await one.says(/closed/)
    assert.deepEqual(await uses(keeper), { web: unused, 'web-hmr': unused })
    await becomes(keeper, Number(port), 'reserved')
    const before = Date.now()
    one.goOn()
    await one.ends()
    assert.ok(Date.now() - before < 30_000, 'nothing waits for a socket that will never listen')
  })

  test(`Vite ${version}: a restart that fails leaves the port to the server that runs on`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version, { hmr: true })
    const one = program(t, app, env, `let isBroken = false
const broken = { name: 'broken', enforce: 'post', configureServer() { if (isBroken) throw new Error('on purpose') } }
const server = await (await createServer({ plugins: [broken] })).listen()
console.log('port', portOf(server))
await told()
isBroken = true
await server.restart()
console.log('failed')
await told()
isBroken = false
await server.restart()
console.log('restarted', portOf(server))
await told()
await server.close()
console.log('closed')
await told()`)
    const [, port] = await one.says(/port (\d+)/)
    const used = ['in-use', one.pid, false]
    const both = { web: used, 'web-hmr': used }
    await eventually('in use', async () => (await keeper.list({ status: 'in-use' })).length === 2)
    one.goOn()
    await one.says(/on purpose[^]*failed/)
    await keeper.scan()
    assert.deepEqual(await uses(keeper), both)
    one.goOn()
    assert.equal((await one.says(/restarted (\d+)/))[1], port)
    await eventually('in use', async () => (await keeper.list({ status: 'in-use' })).length === 2)
    assert.deepEqual(await uses(keeper), both)
    one.goOn()
    // The process does not end by itself: Vite leaves the files of the failed server watched.
    await one.says(/closed/)
    assert.deepEqual(await uses(keeper), { web: unused, 'web-hmr': unused })
    assert.doesNotMatch(one.output, /\[portkeeper\]/)
  })

  test(`Vite ${version}: a restart in middleware mode keeps the port of HMR`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const one = program(t, app, env, `const server = await createServer({ server: { middlewareMode: true } })
const socket = () => (server.config.server.ws?.port ?? server.config.server.hmr?.port)
const before = socket()
await server.restart()
console.log('ports', before, socket())
await told()
await server.close()`)
    const [, before, after] = await one.says(/ports (\d+) (\d+)/)
    assert.equal(after, before)
    await eventually('in use', async () => (await keeper.get(Number(after))).status === 'in-use')
    assert.deepEqual(await uses(keeper), { 'web-hmr': ['in-use', one.pid, false] })
    one.goOn()
    await one.ends()
    assert.deepEqual(await uses(keeper), { 'web-hmr': unused })
    assert.doesNotMatch(one.output, /\[portkeeper\]/)
  })

  test(`Vite ${version}: a restart with another role or port gives the old one back`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const [free] = await freePorts(1)
    const app = viteApp(path.join(base, 'shop'), version)
    const server = await vite(t, app, [], env)
    const config = path.join(app, 'vite.config.js')
    const text = fs.readFileSync(config, 'utf8')
    fs.writeFileSync(config, text.replace('portkeeper({', 'portkeeper({"role": "api",'))
    await server.says(/server restarted/)
    const used = ['in-use', server.pid, false]
    await eventually('the new one alone in use', async () => {
      const { web, api } = await uses(keeper)
      return JSON.stringify([web, api]) === JSON.stringify([unused, used])
    })
    fs.writeFileSync(config, text.replace('plugins:', `server: { port: ${free} }, plugins:`))
    await server.says(/(server restarted[^]*){2}/)
    const row = await eventually('the chosen one in use', async () => {
      const row = await keeper.get(free)
      return row?.status === 'in-use' && row
    })
    assert.equal(row.lease.owner.pid, server.pid)
    const { web, api } = await uses(keeper)
    assert.deepEqual([web, api], [unused, unused])
    await server.stop('SIGTERM')
    assert.equal((await keeper.get(free)).status, 'reserved')
    assert.doesNotMatch(server.output, /\[portkeeper\]/)
  })

  test(`Vite ${version}: port 0 is any port, and claims none`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const one = program(t, app, env, `const server = await (await createServer({ server: { port: 0 } })).listen()
console.log('port', portOf(server))
await told()
await server.close()`)
    await one.says(/port \d+/)
    assert.deepEqual(await keeper.list(), [])
    one.goOn()
    await one.ends()
  })

  test(`Vite ${version}: a second plugin in one configuration has nothing to add`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const config = path.join(app, 'vite.config.js')
    fs.writeFileSync(config, fs.readFileSync(config, 'utf8').replace('plugins: [', 'plugins: [portkeeper({ role: "preset" }), '))
    const server = await vite(t, app, [], env)
    assert.doesNotMatch(server.output, /\[portkeeper\]/)
    assert.deepEqual((await keeper.list()).map((claim) => [claim.number, claim.lease.role]), [[server.port, 'preset']])
  })
}
