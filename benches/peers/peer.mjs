// The Node side of the comparison: reads lines `name argument`, does each once, answers with the nanoseconds that it
// took and what came out: how many listeners, whose the port is, which port is free.
import { createInterface } from 'node:readline'

const runs = {}
for (const name of process.argv.slice(2)) {
  const module = await import(name)
  if (name === 'portkeeper') {
    const keeper = await module.Keeper.open({ path: process.env.PORTKEEPER_DB_PATH })
    const number = (answer) => [answer].flat()[0].number
    runs['portkeeper.scan'] = [() => keeper.scan(), (report) => report.listeners.length]
    runs['portkeeper.listeners'] = [() => keeper.listeners(), (sockets) => sockets.length]
    runs['portkeeper.check'] = [(port) => keeper.check(Number(port)), (state) => state.listeners[0].processes[0].pid]
    runs['portkeeper.request'] = [() => keeper.request({ project: 'bench', autoRelease: true }), number]
    runs['portkeeper.claim'] = [() => keeper.request({ project: 'bench' }), number]
  } else if (name === 'get-port') {
    runs['get-port.request'] = [() => module.default({ port: module.portNumbers(3000, 9999) }), Number]
  } else if (name === 'detect-port') {
    runs['detect-port.request'] = [() => module.detect(3000), Number]
  } else if (name === 'portfinder') {
    runs['portfinder.request'] = [() => module.default.getPortPromise({ port: 3000 }), Number]
  }
}
for await (const line of createInterface({ input: process.stdin })) {
  const [name, argument] = line.split(' ')
  const [run, show] = runs[name]
  const begin = process.hrtime.bigint()
  const answer = await run(argument)
  process.stdout.write(`${process.hrtime.bigint() - begin} ${show(answer)}\n`)
}
