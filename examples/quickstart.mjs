// One port's life: claimed, served, seen, given back, and remembered.
//
// Runs on the user's registry, or on the file named as first argument:
// `node examples/quickstart.mjs [FILE]`, after `npm install bindings/node` has built the addon.

import { once } from 'node:events'
import { createServer } from 'node:http'

// In your own project: from 'portkeeper'
import { Keeper } from '../bindings/node/index.mjs'

const keeper = await Keeper.open({ path: process.argv[2], actor: 'quickstart' })
console.log(`registry      ${keeper.path}`)

/** A port in one line: its claim, and what the machine says. */
async function line(port) {
  const { status, reservation, explanation } = await keeper.check(port)
  return `${port}  ${status.padEnd(8)}  ${(reservation?.projectName ?? 'nobody').padEnd(10)}  ${explanation}`
}

const [{ number: port }] = await keeper.request({
  project: 'quickstart',
  roles: ['web'],
  description: 'shows what Port Keeper does',
})
console.log(`reserved      ${await line(port)}`)

const server = createServer().listen(port, '127.0.0.1')
await once(server, 'listening')
await keeper.scan()
console.log(`serving       ${await line(port)}`)

server.close()
await once(server, 'close')
await keeper.scan()
console.log(`stopped       ${await line(port)}`)

await keeper.release(port)
console.log(`released      ${await line(port)}`)

console.log(`\nhistory of port ${port}, newest first`)
for (const entry of await keeper.history({ port, limit: 4 })) {
  const time = entry.performedAt.toISOString().slice(0, 19).replace('T', ' ')
  const { action, projectName, performedBy, details } = entry
  console.log(`  ${time}  ${action.padEnd(9)} ${projectName} by ${performedBy} ${JSON.stringify(details)}`)
}
