// devPort() for whatever is neither Vite nor webpack.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { devPort } from 'portkeeper'

import { RANGE, Running, becomes, eventually, folder, freePorts, registry, stranger } from './support/apps.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

/** A project in a folder of its own, and what `devPort` needs to know of it. */
async function project(t) {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const root = path.join(base, 'app')
  fs.mkdirSync(root)
  fs.writeFileSync(path.join(root, 'package.json'), '{"name": "app"}')
  return { env, keeper, root, wish: { root, range: RANGE, path: keeper.path } }
}

test('a server has the same port every day, and the registry follows it', async (t) => {
  const { keeper, wish } = await project(t)
  const ports = []
  for (let day = 1; day <= 3; day += 1) {
    const dev = await devPort(wish)
    assert.deepEqual([dev.project, dev.role, dev.explicit, dev.claimed, dev.message], ['app', 'web', false, true, null])
    assert.equal((await keeper.check(dev.port)).verdict, 'held')
    const server = http.createServer()
    dev.serve(server)
    server.listen(dev.port)
    await once(server, 'listening')
    await eventually('in use', async () => (await keeper.get(dev.port)).status === 'in-use')
    assert.equal((await keeper.get(dev.port)).lease.held, false)
    server.close()
    await eventually('reserved', async () => (await keeper.get(dev.port)).status === 'reserved')
    await eventually('given back', async () => (await keeper.get(dev.port)).lease.owner === null)
    ports.push(dev.port)
  }
  assert.equal(new Set(ports).size, 1)
})

test('two servers of one project have two ports, the same again tomorrow', async (t) => {
  const { wish } = await project(t)
  const day = async () => {
    const first = await devPort(wish)
    const second = await devPort(wish)
    const api = await devPort({ ...wish, role: 'api' })
    const shown = [first, second, api].map(({ port, role }) => [port, role])
    assert.match(second.message, new RegExp(`^port ${first.port} is reserved for .*; using port ${second.port} instead$`))
    assert.equal(api.message, null)
    for (const dev of [first, second, api]) await dev.release()
    return shown
  }
  const monday = await day()
  assert.deepEqual(monday.map(([, role]) => role), ['web', 'web-2', 'api'])
  assert.deepEqual(await day(), monday)
})

test('PORT of the environment is the user\'s choice', async (t) => {
  const { keeper, root, wish, env } = await project(t)
  const [free, taken] = await freePorts(2)
  t.after(() => delete process.env.PORT)
  process.env.PORT = String(free)
  const dev = await devPort(wish)
  assert.deepEqual([dev.port, dev.explicit, dev.claimed], [free, true, true])
  assert.equal((await keeper.get(free)).projectName, 'app')
  const again = await devPort(wish)
  assert.deepEqual([again.port, again.claimed], [free, false], 'respected, and explained')
  assert.match(again.message, new RegExp(`^port ${free} is reserved for project "app" since .* by process ${process.pid}$`))
  dev.releaseSync()

  const holder = await stranger(t, '0.0.0.0', taken)
  process.env.PORT = String(taken)
  const refused = await devPort(wish)
  assert.equal(refused.message, `port ${taken} is not free: python3 (pid ${holder.pid}) listening on 0.0.0.0 (tcp)`)
  assert.equal(refused.claimed, false)
  process.env.PORT = '/run/app.sock'
  await assert.rejects(devPort(wish), { code: 'INVALID_INPUT', message: 'PORT "/run/app.sock" is not a port' })
  const usual = []
  for (const none of ['', '0']) {
    process.env.PORT = none
    const dev = await devPort(wish)
    assert.deepEqual([dev.explicit, dev.role], [false, 'web'], 'no choice of one')
    usual.push(dev.port)
    await dev.release()
  }
  assert.equal(usual[0], usual[1])

  // A claim that was made by hand has no role, and is followed as well.
  const [byHand] = await freePorts(1)
  await keeper.reserve(byHand, { project: 'app' })
  const script = `import { createServer } from 'node:http'
import { devPort } from 'portkeeper'
const dev = await devPort()
dev.serve(createServer().listen(dev.port, () => console.log('up', dev.claimed)))`
  const file = path.join(here, `node_modules/.by-hand-${process.pid}.mjs`)
  fs.writeFileSync(file, script)
  t.after(() => fs.rmSync(file, { force: true }))
  const server = new Running(t, process.execPath, [file], { cwd: root, env: { ...env, PORT: String(byHand) } })
  await server.says(/up true/)
  await eventually('in use', async () => (await keeper.get(byHand)).status === 'in-use')
  await server.stop('SIGKILL')
  await becomes(keeper, byHand, 'reserved')
  await eventually('a sweep', async () => {
    await keeper.request({ project: 'other', roles: ['x'], range: RANGE })
    return (await keeper.get(byHand)).status === 'reserved'
  })
})

test('a child is waited for, and a wrong one is named', async (t) => {
  const { keeper, wish } = await project(t)
  const dev = await devPort(wish)
  const script = 'require("http").createServer().listen(process.env.PORT)'
  const child = new Running(t, process.execPath, ['-e', script], { env: { PORT: String(dev.port) } })
  await dev.listening({ timeout: 30_000 })
  const row = await keeper.get(dev.port)
  assert.deepEqual([row.status, row.pid], ['in-use', child.pid])
  await assert.rejects(dev.listening({ pid: 1e6, timeout: 30_000 }), { code: 'WRONG_LISTENER', pid: child.pid })
  await child.stop('SIGTERM')
  await dev.release()
  await becomes(keeper, dev.port, 'reserved')
  await keeper.scan()
  assert.equal((await keeper.get(dev.port)).status, 'reserved')
})

test('a server that is killed before it listens leaves the port reserved', async (t) => {
  const { env, keeper, root } = await project(t)
  const script = `import { devPort } from ${JSON.stringify(import.meta.resolve('portkeeper'))}
const dev = await devPort({ range: ${JSON.stringify(RANGE)} })
console.log('port', dev.port)
process.stdin.resume()`
  const start = async () => {
    const one = new Running(t, process.execPath, ['--input-type=module', '-e', script], { cwd: root, env })
    return { one, port: Number((await one.says(/port (\d+)/))[1]) }
  }
  const { one, port } = await start()
  assert.deepEqual([(await keeper.check(port)).verdict, (await keeper.get(port)).lease.held], ['held', true])
  await one.stop('SIGKILL')
  await becomes(keeper, port, 'reserved')
  const again = await start()
  assert.equal(again.port, port)
  await again.one.stop('SIGINT')
  await keeper.scan()
  const row = await keeper.get(port)
  assert.deepEqual([row.status, row.lease.held, row.lease.owner], ['reserved', false, null])
})

test('a checkout that was removed leaves its port to the next one', async (t) => {
  const { root, wish } = await project(t)
  const before = await devPort(wish)
  await before.release()
  const moved = path.join(path.dirname(root), 'moved')
  fs.renameSync(root, moved)
  const after = await devPort({ ...wish, root: moved })
  assert.deepEqual([after.port, after.message], [before.port, null])
})
