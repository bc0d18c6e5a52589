import type { Plugin } from 'vite' with { 'resolution-mode': 'import' }
import type { PortkeeperOptions as Options } from './vite.mjs' with { 'resolution-mode': 'import' }

declare function portkeeper(options?: Options): Plugin
declare namespace portkeeper {
  export { portkeeper, portkeeper as default }
  export type PortkeeperOptions = Options
}
export = portkeeper
