// What a caller may write, and what not. Only compiled.

import http from 'node:http'

import {
  BoundPort, Keeper, Lease, PortkeeperError, Project, devPort, errorNumbers,
  type ErrorCode, type HistoryEntry, type PortState, type Reservation,
} from 'portkeeper'

export async function story(): Promise<void> {
  using keeper = await Keeper.open({ path: 'x.db', durability: 'normal', busyTimeout: 100, allowNetworkFileSystem: true })
  const [web, api]: (Reservation | undefined)[] = await keeper.request({ project: 'my-app', roles: ['web', 'api'] as const })
  const claim: Reservation = await keeper.reserve(3000, { project: 'my-app', tags: ['a'], metadata: { a: [1] } })
  const since: Date = claim.reservedAt
  await using lease = await keeper.lease({ project: 'my-tests', range: [8000, 8999], strategy: 'random' })
  const bound: BoundPort = await keeper.bind({ project: 'my-app', address: '::1' })
  http.createServer().listen({ fd: bound.fd })
  const isLease: Lease = bound
  await keeper.waitReady(lease, { timeout: 1000, pid: 7, signal: AbortSignal.timeout(5) })
  const page: HistoryEntry[] = await keeper.history({ since, limit: 5 })
  const last = page.at(-1)
  if (last) await keeper.history({ before: last })
  await keeper.import({ document: await keeper.export(), mode: 'replace', onProgress: ({ done, total }) => done / total })
  console.log(web, api, isLease, since, await Project.detect(), Project.detectSync('.').id)
  explain(await keeper.check(3000))
}

function explain(state: PortState): string | null | undefined {
  switch (state.verdict) {
    case 'free': return undefined
    case 'reserved': return `${state.project} since ${state.since.toISOString()}`
    case 'held': return `pid ${state.pid}`
    case 'listening': return state.listeners[0]?.processes[0]?.name
    case 'bound': return state.sockets[0]?.address
    case 'outgoing-connection': return state.connections[0]?.remote
    default: return state.project
  }
}

export function refused(error: unknown): ErrorCode | undefined {
  if (!(error instanceof PortkeeperError)) return undefined
  const facts: [number | null, string | null, number | null] = [error.port, error.project, error.nextFree]
  const known: number = errorNumbers[error.code]
  console.log(facts, known)
  return error.code
}

export async function dev(): Promise<void> {
  const found = await devPort({ role: 'api' })
  const server = http.createServer().listen(found.port)
  found.serve(server)
  await found.listening({ timeout: 5 })
  await found.release()
}

export async function wrong(keeper: Keeper): Promise<void> {
  // @ts-expect-error a port is a number
  await keeper.check('3000')
  // @ts-expect-error there is no such option
  await keeper.reserve(3000, { project: 'a', tag: 'b' })
  // @ts-expect-error a project is needed
  await keeper.request({ roles: ['web'] })
  // @ts-expect-error a word that is none
  await keeper.request({ project: 'a', strategy: 'best' })
  // @ts-expect-error a document or the text of one, not both
  await keeper.import({ json: '', configuration: 1 })
  // @ts-expect-error a keeper is opened
  new Keeper()
  // @ts-expect-error only the wait tells whether there are listeners
  console.log((await keeper.check(1)).listeners)
  // @ts-expect-error what is granted does not change
  ;(await keeper.lease({ project: 'a' })).port = 7
}
