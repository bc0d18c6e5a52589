// Port Keeper beside the packages that people use instead, on the same machine in the same minute.
//
// `npm run bench` builds a release, and prints ratios: absolute times say more about the machine.
// 1. `await keeper.check(port)` beside get-port and detect-port, call by call in turn.
// 2. Eight processes that ask for one range at once: how many different ports they get.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { Keeper } from '../index.mjs'

// The peers are installed for the tests.
const require = createRequire(new URL('../tests/package.json', import.meta.url))
const { default: getPort } = await import(pathToFileURL(require.resolve('get-port')))
const { detectPort } = await import(pathToFileURL(require.resolve('detect-port')))

const CALLS = Number(process.env.CALLS ?? 1000)
const PROCESSES = 8
const RANGE = [22000, 22099]

/** One of the eight: asks when it is told, and keeps what it got. */
async function ask(tool) {
  const [from, to] = RANGE
  const keeper = tool === 'portkeeper' ? await Keeper.open() : null
  const { portNumbers } = await import(pathToFileURL(require.resolve('get-port')))
  process.send('ready')
  await once(process, 'message')
  const project = `p${process.pid}`
  const port = keeper ? (await keeper.lease({ project, range: RANGE })).port : await getPort({ port: portNumbers(from, to) })
  process.send(port)
  await once(process, 'message')
  process.exit()
}

async function race(tool) {
  const all = Array.from({ length: PROCESSES }, () => fork(fileURLToPath(import.meta.url), [tool]))
  const said = () => Promise.all(all.map(async (one) => (await once(one, 'message'))[0]))
  await said()
  const answers = said()
  all.forEach((one) => one.send('go'))
  const ports = await answers
  all.forEach((one) => one.send('end'))
  await Promise.all(all.map((one) => once(one, 'exit')))
  return new Set(ports).size
}

const middle = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]

async function calls() {
  const keeper = await Keeper.open()
  const port = await getPort()
  await keeper.reserve(23000, { project: 'bench', adopt: true })
  const tools = {
    'keeper.check': () => keeper.check(port),
    'keeper.check, a claim': () => keeper.check(23000),
    'get-port': () => getPort({ port }),
    'detect-port': () => detectPort(port),
  }
  const times = Object.fromEntries(Object.keys(tools).map((name) => [name, []]))
  for (let call = 0; call < CALLS + 50; call += 1) {
    for (const [name, tool] of Object.entries(tools)) {
      const begin = process.hrtime.bigint()
      await tool()
      if (call >= 50) times[name].push(Number(process.hrtime.bigint() - begin) / 1000)
    }
  }
  const own = middle(times['keeper.check'])
  console.log(`one call, median of ${CALLS} in turn`)
  for (const name of Object.keys(tools)) {
    const median = middle(times[name])
    console.log(`  ${name.padEnd(22)} ${median.toFixed(1).padStart(9)} µs   ${(median / own).toFixed(1).padStart(6)} ×`)
  }
  const slower = ['get-port', 'detect-port'].filter((name) => middle(times[name]) <= own)
  if (slower.length > 0) {
    console.error(`FAILED: not cheaper than ${slower.join(', ')}`)
    process.exitCode = 1
  }
}

if (process.send) await ask(process.argv[2])
else {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'portkeeper-bench-'))
  process.env.PORTKEEPER_DB_PATH = path.join(folder, 'registry.db')
  try {
    await calls()
    console.log(`${PROCESSES} processes at once, one range: different ports in five rounds`)
    for (const tool of ['portkeeper', 'get-port']) {
      const rounds = []
      for (let round = 0; round < 5; round += 1) rounds.push(await race(tool))
      console.log(`  ${tool.padEnd(22)} ${rounds.join(' ')}`)
      if (tool === 'portkeeper' && rounds.some((ports) => ports !== PROCESSES)) process.exitCode = 1
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
