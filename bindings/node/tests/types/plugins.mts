import { defineConfig } from 'vite'

import portkeeper, { type PortkeeperOptions } from 'portkeeper/vite'
import packed, { devServer } from 'portkeeper/webpack'

const options: PortkeeperOptions = { project: 'shop', role: 'web', range: [4000, 4999], hmr: true }
export default defineConfig({ plugins: [portkeeper(), portkeeper(options)] })

// @ts-expect-error there is no such option
portkeeper({ port: 3000 })

const configured = packed({ mode: 'development', devServer: { hot: true } } as const)
export const mode: Promise<'development'> = configured({}, {}).then((configuration) => configuration.mode)
export const computed: Promise<number> = packed(async () => ({ entries: 1 }))().then(({ entries }) => entries)
export const port: Promise<number> = devServer({ hot: true }, { role: 'api' }).then((wanted) => wanted.port)

// @ts-expect-error there is no such option
packed({}, { port: 3000 })
