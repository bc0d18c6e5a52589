// What `npm install` makes of this folder alone, and what `npm pack` would publish.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Keeper } from 'portkeeper'

import { folder } from './support/apps.mjs'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('npm install of a checkout builds the addon, and both entries load', (t) => {
  // A copy of what git has, so that nothing that lies about here helps. It has a target folder of its own,
  // which stays: cargo does not tell two checkouts apart that share one.
  const copy = path.join(root, 'target', 'node-install')
  fs.mkdirSync(copy, { recursive: true })
  for (const name of fs.readdirSync(copy)) {
    if (name !== 'target') fs.rmSync(path.join(copy, name), { recursive: true, force: true })
  }
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8' })
  for (const file of files.split('\0').filter((name) => name && fs.existsSync(path.join(root, name)))) {
    fs.mkdirSync(path.dirname(path.join(copy, file)), { recursive: true })
    fs.cpSync(path.join(root, file), path.join(copy, file), { preserveTimestamps: true, verbatimSymlinks: true })
  }
  const app = folder(t)
  fs.writeFileSync(path.join(app, 'package.json'), '{"name": "app", "private": true}')
  // Whether it is fast is not asked here; SQLite alone would take most of the time.
  const quick = { CARGO_PROFILE_RELEASE_OPT_LEVEL: '0', CFLAGS: `${process.env.CFLAGS ?? ''} -O0` }
  const env = { ...process.env, ...quick, CARGO_TARGET_DIR: path.join(copy, 'target'), PORTKEEPER_DB_PATH: path.join(app, 'registry.db') }
  const npm = (...args) => execFileSync('npm', [...args, '--no-audit', '--no-fund'], { cwd: app, env, encoding: 'utf8', stdio: 'pipe', timeout: 900_000 })
  npm('install', path.join(copy, 'bindings', 'node'))

  const run = (args) => execFileSync(process.execPath, args, { cwd: app, env, encoding: 'utf8' })
  const text = "Keeper.open().then((keeper) => keeper.check(3000)).then((state) => console.log(state.port))"
  assert.equal(run(['-e', `const { Keeper } = require('portkeeper'); ${text}`]), '3000\n')
  assert.equal(run(['--input-type=module', '-e', `import { Keeper } from 'portkeeper'; ${text}`]), '3000\n')
  for (const entry of ['portkeeper/vite', 'portkeeper/webpack']) {
    const name = `typeof portkeeper, typeof portkeeper.portkeeper`
    assert.equal(run(['-e', `const portkeeper = require('${entry}'); console.log(${name})`]), 'function function\n')
    assert.equal(run(['--input-type=module', '-e', `import portkeeper from '${entry}'; console.log(typeof portkeeper)`]), 'function\n')
  }

  const [{ files: packed }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: path.join(copy, 'bindings', 'node'), encoding: 'utf8', stdio: 'pipe',
  }))
  const names = packed.map((file) => file.path)
  for (const name of ['README.md', 'package.json', 'index.cjs', 'index.d.cts', 'vite.mjs', 'vite.d.mts', 'webpack.cjs', 'lib/keeper.cjs', `native/portkeeper.${process.platform}-${process.arch}.node`]) {
    assert.ok(names.includes(name), `${name} in ${names}`)
  }
  assert.deepEqual(names.filter((name) => /^(src|tests|benches|target)\//.test(name)), [])
})

test('the quickstart runs', (t) => {
  const file = path.join(folder(t), 'registry.db')
  const output = execFileSync(process.execPath, [path.join(root, 'examples', 'quickstart.mjs'), file], { encoding: 'utf8' })
  for (const line of [/^registry +\S+registry\.db$/m, /^reserved +(\d+)  reserved +quickstart/m, /^serving .* node \(pid \d+\) listening on 127\.0\.0\.1/m, /^stopped .* reserved/m, /^released .* free +nobody/m]) {
    assert.match(output, line)
  }
  assert.equal(output.match(/by quickstart/g).length, 4)
  assert.ok(Keeper)
})
