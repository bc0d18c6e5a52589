// The hand-kept types are those of what is there.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import * as portkeeper from 'portkeeper'

const here = fileURLToPath(new URL('.', import.meta.url))
const declared = fs.readFileSync(path.join(here, '..', 'index.d.cts'), 'utf8')

for (const project of ['tsconfig.json', 'tsconfig.plugins.json']) {
  test(`types compile under strict without skipLibCheck: ${project}`, () => {
    const tsc = path.join(here, 'node_modules/typescript/bin/tsc')
    execFileSync(process.execPath, [tsc, '-p', path.join(here, 'types', project)], { encoding: 'utf8', stdio: 'pipe' })
  })
}

test('every method is declared, and every declared one is there', () => {
  for (const name of ['Keeper', 'Lease', 'BoundPort', 'Hold']) {
    const [, body] = new RegExp(`export class ${name}\\b[^{]*\\{([^]*?)\\n\\}`).exec(declared)
    const names = [...body.matchAll(/^  (?:static )?(\w+)\(/gm)].map(([, method]) => method)
    const expected = new Set(names.filter((method) => method !== 'constructor'))
    const own = (object) => Object.getOwnPropertyNames(object).filter((key) => typeof Object.getOwnPropertyDescriptor(object, key).value === 'function')
    const found = new Set()
    for (let type = portkeeper[name].prototype; type !== Object.prototype; type = Object.getPrototypeOf(type)) {
      own(type).forEach((key) => found.add(key))
      if (name === 'BoundPort') expected.add('release').add('releaseSync').add('setRole')
    }
    found.delete('constructor')
    if (name === 'Keeper') ['open', 'openSync'].forEach((key) => portkeeper.Keeper[key] && found.add(key))
    assert.deepEqual([...found].sort(), [...expected].sort(), name)
  }
})

/** The options of a declared type, but for those of every call. */
function optionsOf(type) {
  const [name] = type.split(' & ').filter((part) => !/^(Call|Long)Options$/.test(part))
  if (name === undefined) return []
  if (name.startsWith('{')) return [...name.matchAll(/(\w+)\?:/g)].map(([, key]) => key)
  const [, parent, body] = new RegExp(`\\b(?:interface|type) ${name}\\b(?: extends (\\w+))?[^{]*\\{([^]*?)(?:\\n\\n|$)`).exec(declared)
  const own = [...body.matchAll(/(?:^|[{;])\s*(\w+)\??: /gm)].map(([, key]) => key)
  return [...new Set([...own, ...(parent ? optionsOf(parent) : [])])]
}

test('every option is declared, and every declared one is taken', async () => {
  const keeper = portkeeper.Keeper.openSync({ inMemory: true })
  const placed = { id: 1, port: 3000, path: '/nowhere', claims: 3000, time: new Date(), target: 3000 }
  const [body] = /export class Keeper\b[^]*?\n\}/.exec(declared)
  const methods = body.matchAll(/^  (\w+)\(((?:\w+: [^,)]*, )*)options\??: ([^)]*)\): Promise/gm)
  let count = 0
  for (const [, method, before, type] of methods) {
    const args = [...before.matchAll(/(\w+): /g)].map(([, name]) => placed[name])
    assert.ok(args.every((value) => value !== undefined), method)
    const error = await keeper[method](...args, { ...(method === 'import' && { json: '{}' }), unheardOf: 1 }).then(() => null, (error) => error)
    const [, taken] = /^option "unheardOf" is not known: \w+ takes (.*)$/.exec(error.message)
    const options = taken === 'none' ? [] : taken.split(', ')
    assert.deepEqual(optionsOf(type).sort(), options.sort(), method)
    count += 1
  }
  assert.ok(count > 25, `${count} methods have options`)
})

test('every error code is declared', () => {
  const [, union] = /export type ErrorCode =([^]*?)\n\n/.exec(declared)
  const names = [...union.matchAll(/'(\w+)'/g)].map(([, name]) => name)
  assert.deepEqual(names.sort(), Object.keys(portkeeper.errorNumbers).sort())
})

test('every export is declared', () => {
  for (const name of Object.keys(portkeeper)) {
    assert.match(declared, new RegExp(`^export (class|const|function) ${name}\\b`, 'm'), name)
  }
})
