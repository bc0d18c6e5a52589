// The worker in Node; the protocol is in program.rs.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [place, path, actor, durability] = process.argv.slice(2)
const { Keeper, PortkeeperError } = await import(pathToFileURL(place))
const keeper = await Keeper.open({ path, actor, durability })
const leases = new Map()

const operations = {
  async reserve(port, project, description) {
    await keeper.reserve(Number(port), { project, description, adopt: true })
  },
  async release(port, onlyOf) {
    await keeper.release(Number(port), { onlyOf })
  },
  async request(low, high, project, description) {
    const [row] = await keeper.request({ project, description, range: [Number(low), Number(high)] })
    return row.number
  },
  async lease(low, high, project, description) {
    const lease = await keeper.lease({ project, description, range: [Number(low), Number(high)] })
    leases.set(lease.port, lease)
    return lease.port
  },
  async drop(port) {
    const lease = leases.get(Number(port))
    leases.delete(Number(port))
    await lease.release()
  },
  async get(port) {
    const row = await keeper.get(Number(port))
    return row === null || row.status === 'free' ? undefined : row.projectName
  },
}

writeSync(1, '> ready\n')
for await (const order of createInterface({ input: process.stdin })) {
  const [name, ...words] = order.split(' ')
  const begin = process.hrtime.bigint()
  let outcome = 'ok'
  let value
  try {
    value = await operations[name](...words)
  } catch (error) {
    if (!(error instanceof PortkeeperError)) throw error
    outcome = error.code
    value = error.project
  }
  writeSync(1, `> ${begin} ${process.hrtime.bigint()} ${outcome} ${value ?? '-'}\n`)
}
