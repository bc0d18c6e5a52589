// Real Vite dev servers, of both versions.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import {
  Running, becomes, eventually, folder, freePorts, link, registry, stranger, vite, viteApp, worktree,
} from './support/apps.mjs'

for (const version of [7, 8]) {
  test(`Vite ${version}: two worktrees have two ports, each the same again`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const main = viteApp(path.join(base, 'shop'), version)
    const feature = worktree(main, 'feature')
    const first = await Promise.all([vite(t, main, [], env), vite(t, feature, [], env)])
    assert.notEqual(first[0].port, first[1].port)
    for (const server of first) {
      const page = await fetch(`http://localhost:${server.port}/`, { headers: { connection: 'close' } })
      assert.match(await page.text(), /Port Keeper/)
      await server.stop('SIGTERM')
    }
    const again = await Promise.all([vite(t, main, [], env), vite(t, feature, [], env)])
    assert.deepEqual(again.map((server) => server.port), first.map((server) => server.port))
    const projects = await keeper.projects()
    assert.deepEqual(projects.map((one) => one.projectName).sort(), ['vite-app', 'vite-app@feature'])
  })

  test(`Vite ${version}: two clones have two ports, each the same again`, async (t) => {
    const base = folder(t)
    const { env } = await registry(base)
    const clones = ['a', 'b'].map((name) => viteApp(path.join(base, name, 'shop'), version))
    const start = () => Promise.all(clones.map((clone) => vite(t, clone, [], env)))
    const first = await start()
    assert.notEqual(first[0].port, first[1].port)
    for (const server of first) await server.stop('SIGTERM')
    const again = await start()
    assert.deepEqual(again.map((server) => server.port), first.map((server) => server.port))
    for (const server of again) assert.doesNotMatch(server.output, /\[portkeeper\]/)
  })

  test(`Vite ${version}: two servers of one checkout at once have two ports`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const both = await Promise.all([vite(t, app, [], env), vite(t, app, [], env)])
    assert.notEqual(both[0].port, both[1].port)
    await eventually('both in use', async () => (await keeper.list({ status: 'in-use' })).length === 2)
    for (const server of both) {
      const row = await keeper.get(server.port)
      assert.deepEqual([row.projectName, row.pid, row.lease.owner.pid], ['vite-app', server.pid, server.pid])
    }
  })

  test(`Vite ${version}: a foreign holder is named, and the port comes back`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const before = await vite(t, app, [], env)
    await before.stop('SIGTERM')
    for (const address of ['127.0.0.1', '0.0.0.0', '::1']) {
      const holder = await stranger(t, address, before.port)
      const moved = await vite(t, app, [], env)
      assert.notEqual(moved.port, before.port)
      const message = `[portkeeper] port ${before.port} is not free: python3 (pid ${holder.pid}) listening on ${address} (tcp)`
      assert.ok(moved.output.includes(`${message}; using port ${moved.port} instead`), moved.output)
      await moved.stop('SIGTERM')
      await holder.stop('SIGKILL')
      await becomes(keeper, before.port, 'reserved')
      const back = await vite(t, app, [], env)
      assert.equal(back.port, before.port)
      assert.doesNotMatch(back.output, /\[portkeeper\]/)
      await back.stop('SIGTERM')
    }
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL']) {
    test(`Vite ${version}: in use while it runs, reserved after ${signal}`, async (t) => {
      const base = folder(t)
      const { env, keeper } = await registry(base)
      const app = viteApp(path.join(base, 'shop'), version)
      const server = await vite(t, app, [], env)
      const row = await eventually('in use', async () => {
        const row = await keeper.get(server.port)
        return row.status === 'in-use' && row
      })
      assert.equal(row.projectName, 'vite-app')
      assert.equal(row.pid, server.pid)
      assert.equal(row.lease.owner.pid, server.pid)
      assert.equal(row.lease.held, false)
      await server.stop(signal)

      // What the machine says is right at once; the row is brought up to date by whoever asks for a port.
      const state = await becomes(keeper, server.port, 'reserved')
      assert.equal(state.project, 'vite-app')
      if (signal === 'SIGTERM') assert.equal(state.status, 'reserved')
      await eventually('a sweep', async () => {
        await keeper.request({ project: 'other', roles: ['x'], range: [20000, 29999] })
        return (await keeper.get(server.port)).status === 'reserved'
      })
      const after = await keeper.get(server.port)
      assert.deepEqual([after.status, after.pid, after.projectName], ['reserved', null, 'vite-app'])
      assert.deepEqual([after.lease.role, after.lease.owner, after.lease.held], ['web', null, false])
      const { changes } = await keeper.scan()
      assert.deepEqual(changes, [])
      assert.equal((await vite(t, app, [], env)).port, server.port)
    })
  }
}

for (const version of [7, 8]) {
  test(`Vite ${version}: a port of the user's is respected and reserved`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const [free] = await freePorts(1)
    const app = viteApp(path.join(base, 'shop'), version)
    const server = await vite(t, app, ['--port', String(free)], env)
    assert.equal(server.port, free)
    const row = await eventually('in use', async () => {
      const row = await keeper.get(free)
      return row?.status === 'in-use' && row
    })
    assert.deepEqual([row.projectName, row.pid], ['vite-app', server.pid])
    assert.doesNotMatch(server.output, /\[portkeeper\]/)
    await server.stop('SIGKILL')
    await becomes(keeper, free, 'reserved')
    await keeper.scan()
    assert.equal((await keeper.get(free)).status, 'reserved')

    const configured = viteApp(path.join(base, 'blog'), version, { project: 'blog' }, { server: { port: free } })
    const other = await vite(t, configured, [], env)
    const refusal = new RegExp(`\\[portkeeper\\] port ${free} is reserved for project "vite-app" since .*Z\\n`)
    assert.match(other.output, refusal)
    assert.equal(other.port, free, 'it is the user who decides')
    assert.equal((await keeper.get(free)).projectName, 'vite-app')
  })

  test(`Vite ${version}: a taken port of the user's is explained and left to Vite`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const [free] = await freePorts(1)
    const holder = await stranger(t, '127.0.0.1', free)
    const app = viteApp(path.join(base, 'shop'), version)
    const program = path.join(app, 'node_modules/vite/bin/vite.js')
    const options = { cwd: app, env }
    const args = [program, '--host', '127.0.0.1', '--strictPort', '--port', String(free)]
    const server = new Running(t, process.execPath, args, options)
    await server.says(new RegExp(`port ${free} is not free: python3 \\(pid ${holder.pid}\\) listening on 127.0.0.1`))
    assert.equal((await server.ended).code, 1)
    assert.match(server.output, /is already in use/)
    assert.equal(await keeper.get(free), null)
  })

  test(`Vite ${version}: a restart keeps the port and the use`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const server = await vite(t, app, [], env)
    const isInUse = async () => (await keeper.get(server.port)).status === 'in-use'
    await eventually('in use', isInUse)
    for (let round = 1; round <= 2; round += 1) {
      const config = path.join(app, 'vite.config.js')
      fs.appendFileSync(config, `// ${round}\n`)
      await server.says(new RegExp(`(server restarted[^]*){${round}}`))
      await fetch(`http://localhost:${server.port}/`, { headers: { connection: 'close' } })
      await keeper.scan()
      assert.ok(await isInUse())
      assert.equal((await keeper.get(server.port)).lease.owner.pid, server.pid)
    }
    assert.doesNotMatch(server.output, /\[portkeeper\]/)
    await server.stop('SIGTERM')
    const row = await keeper.get(server.port)
    assert.deepEqual([row.status, row.lease.owner], ['reserved', null])
  })

  test(`Vite ${version}: HMR and preview have ports of their own`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version, { hmr: true })
    const server = await vite(t, app, [], env)
    const claims = await eventually('both in use', async () => {
      const claims = await keeper.list({ status: 'in-use' })
      return claims.length === 2 && claims
    })
    const ports = Object.fromEntries(claims.map((claim) => [claim.lease.role, claim.number]))
    assert.equal(ports.web, server.port)
    const client = await (await fetch(`http://localhost:${server.port}/@vite/client`)).text()
    assert.ok(client.includes(`const hmrPort = ${ports['web-hmr']};`), 'the page connects there')
    assert.doesNotMatch(server.output, /deprecated|\[portkeeper\]/)
    await server.stop('SIGTERM')
    assert.deepEqual((await keeper.list()).map((claim) => claim.status), ['reserved', 'reserved'])

    fs.mkdirSync(path.join(app, 'dist'))
    const preview = await vite(t, app, ['preview'], env)
    const row = await keeper.get(preview.port)
    assert.equal(row.lease.role, 'web-preview')
    await preview.stop('SIGTERM')
    assert.equal((await vite(t, app, ['preview'], env)).port, preview.port)
  })

  test(`Vite ${version}: a port of the user's for HMR is reserved as well`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const [free] = await freePorts(1)
    const socket = version === 7 ? { hmr: { port: free } } : { ws: { port: free } }
    const app = viteApp(path.join(base, 'shop'), version, {}, { server: socket })
    const server = await vite(t, app, [], env)
    const row = await eventually('in use', async () => {
      const row = await keeper.get(free)
      return row?.status === 'in-use' && row
    })
    assert.deepEqual([row.projectName, row.pid, row.lease.owner.pid], ['vite-app', server.pid, server.pid])
    assert.equal((await keeper.list()).length, 2)
    await server.stop('SIGTERM')
    assert.deepEqual((await keeper.list()).map((claim) => claim.status), ['reserved', 'reserved'])
    assert.doesNotMatch(server.output, /\[portkeeper\]/)
  })

  test(`Vite ${version}: in middleware mode HMR alone has a port`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const app = viteApp(path.join(base, 'shop'), version)
    const script = `import { createServer } from 'vite'
const server = await createServer({ server: { middlewareMode: true } })
console.log('up')
process.stdin.once('data', () => server.close().then(() => console.log('closed')))`
    const server = new Running(t, process.execPath, ['--input-type=module', '-e', script], { cwd: app, env })
    await server.says(/up/)
    const [claim] = await eventually('in use', async () => {
      const claims = await keeper.list({ status: 'in-use' })
      return claims.length === 1 && claims
    })
    assert.equal(claim.lease.role, 'web-hmr')
    server.child.stdin.end('close\n')
    assert.deepEqual(await server.ended, { code: 0, signal: null })
    assert.deepEqual((await keeper.list()).map((claim) => claim.status), ['reserved'])
  })

  test(`Vite ${version}: a configuration in CommonJS, and a registry that cannot be used`, async (t) => {
    const base = folder(t)
    const app = viteApp(path.join(base, 'shop'), version)
    fs.rmSync(path.join(app, 'vite.config.js'))
    const config = `const portkeeper = require('portkeeper/vite')\nmodule.exports = { plugins: [portkeeper()], server: { host: '127.0.0.1' } }`
    fs.writeFileSync(path.join(app, 'vite.config.cjs'), config)
    const broken = path.join(base, 'broken.db')
    fs.writeFileSync(broken, 'this is no database, and stays as it is')
    const [free] = await freePorts(1)
    const server = await vite(t, app, ['--port', String(free)], { PORTKEEPER_DB_PATH: broken })
    assert.equal(server.port, free)
    assert.match(server.output, /\[portkeeper\] database .*broken\.db: .*; the port is left to Vite/)
    assert.equal(fs.readFileSync(broken, 'utf8'), 'this is no database, and stays as it is')
  })
}

test('under vitest the plugin does nothing', async (t) => {
  const base = folder(t)
  const app = viteApp(path.join(base, 'shop'), 8)
  link(app, { vitest: 'vitest' })
  fs.writeFileSync(path.join(app, 'sum.test.js'), "import { expect, test } from 'vitest'\ntest('sum', () => expect(1 + 1).toBe(2))\n")
  const file = path.join(base, 'registry.db')
  const program = path.join(app, 'node_modules/vitest/vitest.mjs')
  const run = new Running(t, process.execPath, [program, 'run'], { cwd: app, env: { PORTKEEPER_DB_PATH: file } })
  assert.equal((await run.ended).code, 0, run.output)
  assert.match(run.output, /1 passed/)
  assert.doesNotMatch(run.output, /\[portkeeper\]/)
  assert.ok(!fs.existsSync(file), 'no registry was opened')
})
