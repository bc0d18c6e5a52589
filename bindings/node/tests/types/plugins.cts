import portkeeper = require('portkeeper/vite')
import packed = require('portkeeper/webpack')

export const plugin = portkeeper({ role: 'web' })
export const name: string = plugin.name
export const options: portkeeper.PortkeeperOptions = {}
export const configuration: Promise<{ a: number }> = packed({ a: 1 })()
export const port = packed.devServer({})
