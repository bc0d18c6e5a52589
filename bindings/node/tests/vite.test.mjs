// Real Vite dev servers, of both versions.

import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'

import { eventually, folder, registry, stranger, vite, viteApp, worktree } from './support/apps.mjs'

for (const version of [7, 8]) {
  test(`Vite ${version}: two worktrees have two ports, each the same again`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const main = viteApp(path.join(base, 'shop'), version)
    const feature = worktree(main, 'feature')
    const first = await Promise.all([vite(t, main, [], env), vite(t, feature, [], env)])
    assert.notEqual(first[0].port, first[1].port)
    for (const server of first) {
      const page = await fetch(`http://localhost:${server.port}/`)
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
    for (const server of again) assert.doesNotMatch(server.output, /portkeeper/)
  })

  test(`Vite ${version}: a foreign holder is named, and the port comes back`, async (t) => {
    const base = folder(t)
    const { env } = await registry(base)
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
      const back = await vite(t, app, [], env)
      assert.equal(back.port, before.port)
      assert.doesNotMatch(back.output, /portkeeper/)
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
      const state = await keeper.check(server.port)
      assert.equal(state.verdict, 'reserved')
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
