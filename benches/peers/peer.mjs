// The Node side of the comparison: reads a line `name argument`, does that once, answers with nanoseconds.
import { createInterface } from 'node:readline'

const runs = {}
for (const name of process.argv.slice(2)) {
  const module = await import(name)
  if (name === 'portkeeper') {
    const keeper = await module.Keeper.open({ path: process.env.PORTKEEPER_DB_PATH })
    runs['portkeeper.scan'] = () => keeper.scan()
    runs['portkeeper.listeners'] = () => keeper.listeners()
    runs['portkeeper.check'] = (port) => keeper.check(Number(port))
    runs['portkeeper.request'] = () => keeper.request({ project: 'bench', autoRelease: true })
    runs['portkeeper.claim'] = () => keeper.request({ project: 'bench' })
  } else if (name === 'get-port') {
    runs['get-port.request'] = () => module.default({ port: module.portNumbers(3000, 9999) })
  } else if (name === 'detect-port') {
    runs['detect-port.request'] = () => module.detect(3000)
  } else if (name === 'portfinder') {
    runs['portfinder.request'] = () => module.default.getPortPromise({ port: 3000 })
  }
}
for await (const line of createInterface({ input: process.stdin })) {
  const [name, argument] = line.split(' ')
  const begin = process.hrtime.bigint()
  await runs[name](argument)
  process.stdout.write(`${process.hrtime.bigint() - begin}\n`)
}
