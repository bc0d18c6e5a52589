// Real dev servers of webpack and Rspack.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import {
  RANGE, Running, becomes, eventually, folder, freePorts, link, registry, stranger, worktree,
} from './support/apps.mjs'

const KINDS = [
  {
    name: 'webpack-dev-server',
    packages: ['webpack', 'webpack-cli', 'webpack-dev-server'],
    program: 'webpack-cli/bin/cli.js',
    config: 'webpack.config.cjs',
  },
  {
    name: 'Rspack',
    packages: ['@rspack/cli', '@rspack/core', '@rspack/dev-server'],
    program: '@rspack/cli/bin/rspack.js',
    config: 'rspack.config.cjs',
  },
]

function app(root, { packages, config }, options = {}, devServer = {}) {
  fs.mkdirSync(path.join(root, 'src'), { recursive: true })
  fs.writeFileSync(path.join(root, 'package.json'), '{"name": "packed", "private": true}')
  fs.writeFileSync(path.join(root, 'src/index.js'), 'console.log(location.host)\n')
  const wish = JSON.stringify({ range: RANGE, ...options })
  const text = `const portkeeper = require('portkeeper/webpack')
const configuration = { mode: 'development', devtool: false, devServer: ${JSON.stringify(devServer)} }
module.exports = portkeeper(configuration, ${wish})\n`
  fs.writeFileSync(path.join(root, config), text)
  link(root, Object.fromEntries(['portkeeper', ...packages].map((name) => [name, name])))
  return root
}

async function serve(t, root, { program }, args, env) {
  const command = [path.join(root, 'node_modules', program), 'serve', ...args]
  const server = new Running(t, process.execPath, command, { cwd: root, env })
  const [, port] = await server.says(/http:\/\/(?:localhost|\[::1\]|127\.0\.0\.1):(\d+)\//)
  await server.says(/compiled/i)
  server.port = Number(port)
  return server
}

for (const kind of KINDS) {
  test(`${kind.name}: two worktrees, a foreign holder, and the same port again`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const main = app(path.join(base, 'packed'), kind)
    const feature = worktree(main, 'feature')
    const first = [await serve(t, main, kind, [], env), await serve(t, feature, kind, [], env)]
    assert.notEqual(first[0].port, first[1].port)
    const bundle = await fetch(`http://localhost:${first[0].port}/main.js`)
    assert.match(await bundle.text(), /location\.host/)
    for (const server of first) await server.stop('SIGTERM')

    for (const address of ['127.0.0.1', '0.0.0.0', '::1']) {
      const holder = await stranger(t, address, first[0].port)
      const moved = await serve(t, main, kind, [], env)
      assert.notEqual(moved.port, first[0].port)
      const message = `port ${first[0].port} is not free: python3 (pid ${holder.pid}) listening on ${address} (tcp)`
      assert.ok(moved.output.includes(`[portkeeper] ${message}; using port ${moved.port} instead`), moved.output)
      await moved.stop('SIGTERM')
      await holder.stop('SIGKILL')
      await becomes(keeper, first[0].port, 'reserved')
    }
    const again = [await serve(t, main, kind, [], env), await serve(t, feature, kind, [], env)]
    assert.deepEqual(again.map((server) => server.port), first.map((server) => server.port))
  })

  test(`${kind.name}: in use while it runs, reserved after SIGINT and SIGKILL`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const root = app(path.join(base, 'packed'), kind)
    for (const signal of ['SIGINT', 'SIGKILL']) {
      const server = await serve(t, root, kind, [], env)
      await eventually('in use', async () => (await keeper.get(server.port)).status === 'in-use')
      await server.stop(signal)
      await becomes(keeper, server.port, 'reserved')
      if (signal === 'SIGKILL') await keeper.scan()
      const row = await keeper.get(server.port)
      assert.deepEqual([row.status, row.pid, row.projectName], ['reserved', null, 'packed'])
      assert.deepEqual([row.lease.owner, row.lease.held], [null, false])
    }
  })

  test(`${kind.name}: a port of the user's is respected and reserved`, async (t) => {
    const base = folder(t)
    const { env, keeper } = await registry(base)
    const [cli, configured] = await freePorts(2)
    const root = app(path.join(base, 'packed'), kind, {}, { port: configured })
    for (const [args, port] of [[['--port', String(cli)], cli], [[], configured]]) {
      const server = await serve(t, root, kind, args, env)
      assert.equal(server.port, port)
      const row = await eventually('in use', async () => {
        const row = await keeper.get(port)
        return row?.status === 'in-use' && row
      })
      assert.equal(row.projectName, 'packed')
      await server.stop('SIGTERM')
    }
  })
}

test('webpack: a build claims nothing, and the programming interface has a port', async (t) => {
  const base = folder(t)
  const { env, keeper } = await registry(base)
  const [kind] = KINDS
  const root = app(path.join(base, 'packed'), kind)
  const build = new Running(t, process.execPath, [path.join(root, 'node_modules', kind.program), 'build'], { cwd: root, env })
  assert.equal((await build.ended).code, 0, build.output)
  assert.deepEqual(await keeper.list(), [])

  const script = `const webpack = require('webpack')
const Server = require('webpack-dev-server')
const { devServer } = require('portkeeper/webpack')
const compiler = webpack({ mode: 'development', devtool: false })
devServer({ setupExitSignals: false }, { range: ${JSON.stringify(RANGE)} }).then(async (options) => {
  const server = new Server(options, compiler)
  await server.start()
  console.log('port', options.port)
  process.stdin.once('data', () => server.stop().then(() => process.exit()))
})`
  const server = new Running(t, process.execPath, ['-e', script], { cwd: root, env })
  const port = Number((await server.says(/port (\d+)/))[1])
  await eventually('in use', async () => (await keeper.get(port)).status === 'in-use')
  server.child.stdin.write('stop\n')
  assert.equal((await server.ended).code, 0)
  assert.equal((await keeper.get(port)).status, 'reserved')
})

test('a list of configurations: a port for each server, the same by whichever name it is started', async (t) => {
  const base = folder(t)
  const list = `const portkeeper = require('portkeeper/webpack')
const one = (name, devServer) => ({ name, mode: 'development', devtool: false, devServer })
module.exports = portkeeper(() => [one('tool', false), () => one('shop', {}), Promise.resolve(one('admin', { hot: false }))], { range: ${JSON.stringify(RANGE)} })`
  for (const [kind, names] of [[KINDS[0], ['shop', 'admin']], [KINDS[1], ['shop']]]) {
    const at = path.join(base, kind.config)
    fs.mkdirSync(at)
    const { env, keeper } = await registry(at)
    const root = app(path.join(at, 'packed'), kind)
    fs.writeFileSync(path.join(root, kind.config), list)
    const start = async (...args) => {
      const command = [path.join(root, 'node_modules', kind.program), 'serve', ...args]
      const server = new Running(t, process.execPath, command, { cwd: root, env })
      const count = args.length > 0 ? 1 : names.length
      const claims = await eventually(() => `in use\n${server.output}`, async () => {
        const claims = await keeper.list({ status: 'in-use' })
        return claims.length === count && claims
      })
      // None is kept for a server that does not come.
      assert.deepEqual((await keeper.list()).filter(({ lease, status }) => status !== 'in-use' && (lease.owner || lease.held)), [])
      await server.stop('SIGINT')
      return Object.fromEntries(claims.map((claim) => [claim.lease.role, claim.number]))
    }
    const both = await start()
    assert.deepEqual(Object.keys(both).sort(), names.map((name) => (name === 'shop' ? 'web' : `web-${name}`)).sort())
    for (const name of names) {
      const role = name === 'shop' ? 'web' : `web-${name}`
      assert.deepEqual(await start('--config-name', name), { [role]: both[role] })
    }
  }
})

test('webpack: lists, functions in them, names, and port 0', async (t) => {
  const { default: portkeeper } = await import('portkeeper/webpack')
  const base = folder(t)
  const wish = { range: RANGE, root: base, path: path.join(base, 'r.db') }
  const serving = (list, argv) => portkeeper(list, wish)({ WEBPACK_SERVE: true }, argv)
  const one = (name, devServer) => ({ name, devServer })

  const [first, second, third] = await serving([() => one('a', { hot: false }), Promise.resolve(one('b')), one('c', {})])
  assert.equal(first.devServer.hot, false)
  assert.equal(second.devServer, undefined)
  assert.ok(first.devServer.port >= RANGE[0] && third.devServer.port >= RANGE[0])
  assert.notEqual(first.devServer.port, third.devServer.port)

  const named = await serving([one('a', {}), one('b', {})], { configName: ['b'] })
  assert.deepEqual([named[0].devServer.port === undefined, named[1].devServer.port >= RANGE[0]], [true, true])
  assert.deepEqual(await serving(one('a', { port: 0 })), one('a', { port: 0 }))
  assert.equal((await serving(one('a', false))).devServer, false)
})
