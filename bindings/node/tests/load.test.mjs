// Many calls, slow calls, and who does not notice them.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Keeper } from 'portkeeper'

import { RANGE, Running, folder, freePorts, lockedBy, registry } from './support/apps.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

test('100,000 calls leave no memory behind', async (t) => {
  const base = folder(t)
  const { env } = await registry(base)
  const script = `import { Keeper } from 'portkeeper'
const keeper = await Keeper.open()
await keeper.reserve(20000, { project: 'shop', tags: ['a', 'b'], metadata: { deep: { list: [1, 2, 3] } } })
const signal = new AbortController().signal
const calls = [
  () => keeper.check(20000),
  () => keeper.get(20000, { signal }),
  () => keeper.list({ project: 'shop' }),
  () => keeper.history({ port: 20000 }),
  () => keeper.check(70000).catch(() => {}),
  () => keeper.reserve(20000, { project: 'blog' }).catch(() => {}),
  async () => keeper.checkSync(20000),
]
async function run(count) {
  for (let done = 0; done < count; done += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, index) => calls[(done + index) % calls.length]()))
  }
  gc()
  return process.memoryUsage().rss
}
await run(40_000)
const before = await run(50)
const half = await run(50_000)
const after = await run(50_000)
for (let opened = 0; opened < 500; opened += 1) (await Keeper.open()).close()
const opened = await run(50)
console.log(JSON.stringify({ before, half, after, opened }))`
  // Without them V8's nursery and malloc's arenas grow for a while, which says nothing of a leak.
  const args = ['--expose-gc', '--max-semi-space-size=1', '--input-type=module', '-e', script]
  const one = new Running(t, process.execPath, args, { cwd: here, env: { ...env, MALLOC_ARENA_MAX: '2' } })
  assert.equal((await one.ended).code, 0, one.output)
  const { before, half, after, opened } = JSON.parse(one.output)
  t.diagnostic(`${Math.round(before / 1024)} KiB before, ${Math.round(after / 1024)} KiB after 100,000 calls, ${Math.round(opened / 1024)} KiB after 500 keepers`)
  // A leak grows in both halves alike, and by a record of some hundred bytes a call; what grows in one of them
  // is an arena or a heap that found its size.
  const growth = Math.min(half - before, after - half)
  assert.ok(growth < 4 * 1024 * 1024, `${growth} bytes more in each half`)
  assert.ok(opened - after < 8 * 1024 * 1024, `${opened - after} bytes more`)
})

const schedstat = '/proc/thread-self/schedstat'

/** For how long this thread, that of the event loop, could have run and others did, in milliseconds. */
const overtaken = () => (fs.existsSync(schedstat) ? Number(fs.readFileSync(schedstat, 'utf8').split(' ')[1]) / 1e6 : 0)

/** The longest that the event loop was held up while `work` ran, and not by other threads alone, in milliseconds. */
async function longestDelay(work) {
  let longest = 0
  let before = { now: performance.now(), overtaken: overtaken() }
  const timer = setInterval(() => {
    const after = { now: performance.now(), overtaken: overtaken() }
    // Each is late by a millisecond anyway.
    longest = Math.max(longest, after.now - before.now - (after.overtaken - before.overtaken) - 1)
    before = after
  }, 1)
  await work()
  await new Promise((resolve) => setTimeout(resolve, 20))
  clearInterval(timer)
  return longest
}

/**
 * Some times beside an idle loop, which on a machine with other work is late as well. What holds the loop
 * up by itself does so every time; one time that it does not is enough.
 */
async function check(t, name, work) {
  const rounds = []
  for (let round = 0; round < 20; round += 1) {
    const idle = await longestDelay(() => new Promise((resolve) => setTimeout(resolve, 100)))
    const busy = await longestDelay(work)
    rounds.push(`${busy.toFixed(2)} (idle ${idle.toFixed(2)})`)
    if (busy <= 5) return t.diagnostic(`${name}: the loop was late by ${rounds.at(-1)} ms at most`)
  }
  assert.fail(`${name}: the loop was late by ${rounds.join(', ')} ms`)
}

test('neither a scan nor a busy database holds the event loop up for 5 ms', async (t) => {
  const base = folder(t)
  const { keeper } = await registry(base)
  await keeper.request({ project: 'shop', count: 20, range: RANGE, strategy: 'random' })
  await keeper.scan()
  await check(t, 'scans', async () => {
    for (let round = 0; round < 5; round += 1) await keeper.scan()
  })
  const writer = await Keeper.open({ path: keeper.path, busyTimeout: 200 })
  const lock = await lockedBy(t, keeper.path)
  await check(t, 'a busy database', async () => {
    const calls = Array.from({ length: 10 }, (_, index) => writer.reserve(20000 + index, { project: 'shop', adopt: true }))
    for (const { reason } of await Promise.allSettled(calls)) assert.equal(reason?.code, 'DATABASE_BUSY')
  })
  await lock.stop('SIGKILL')
})

test('calls that wait starve neither each other nor the files of the process', async (t) => {
  const base = folder(t)
  const { keeper } = await registry(base)
  const waiting = new AbortController()
  const options = { timeout: 60_000, signal: waiting.signal }
  const ports = await freePorts(32)
  const waits = ports.map((port) => keeper.waitReady(port, options).catch((error) => error.code))
  const lock = await lockedBy(t, keeper.path)
  const { signal } = waiting
  const writes = ports.map((port) => keeper.reserve(port, { project: 'shop', signal }).catch((error) => error.code))

  // All of these are answered while all of those wait.
  const other = await Keeper.open({ path: path.join(base, 'other.db') })
  assert.equal((await other.reserve(22000, { project: 'shop', adopt: true })).number, 22000)
  assert.deepEqual(await keeper.list(), [])
  assert.ok((await keeper.listeners()).length >= 0)
  const names = await Promise.all(Array.from({ length: 16 }, () => fs.promises.readdir(base)))
  assert.equal(names.length, 16)

  waiting.abort()
  const ends = await Promise.all([...waits, ...writes])
  assert.deepEqual(ends, Array(64).fill('ABORT_ERR'))
  await lock.stop('SIGKILL')
})
