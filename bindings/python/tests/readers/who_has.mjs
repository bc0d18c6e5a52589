// Says what a port is, in one line of JSON: what other programs wrote into the registry, read in Node.
import { Keeper } from '../../../node/index.mjs'

const [port, path] = process.argv.slice(2)
const keeper = await Keeper.open({ path })
console.log(JSON.stringify(await keeper.check(Number(port))))
