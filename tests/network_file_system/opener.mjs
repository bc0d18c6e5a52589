// The opener in Node; what it does is in ../network_file_system.rs.
import { pathToFileURL } from 'node:url'

const [place, path, allow] = process.argv.slice(2)
const { Keeper, PortkeeperError } = await import(pathToFileURL(place))
const open = () => Keeper.open({ path, allowNetworkFileSystem: allow === 'allow' })

try {
  const first = await open()
  await first.reserve(27410, { project: 'Node', adopt: true })
  first.close()
  const second = await open()
  console.log('>', (await second.list())[0].projectName)
  second.close()
} catch (error) {
  if (!(error instanceof PortkeeperError)) throw error
  console.log('>', error.code, error.message)
}
