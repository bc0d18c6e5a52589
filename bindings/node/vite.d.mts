import type { Plugin } from 'vite'

/**
 * The same port for this project and this checkout every day; who has it is said where it cannot be.
 *
 * A port of the user's (`server.port`, `--port`) is respected and reserved.
 */
export function portkeeper(options?: PortkeeperOptions): Plugin
export default portkeeper

export interface PortkeeperOptions {
  /** Whose ports; by default the name in the nearest manifest, and in a linked git worktree `name@worktree`. */
  project?: string
  /** What for, within the project; `web` by default. Preview has `web-preview`, separate HMR `web-hmr`. */
  role?: string
  /** Where a port is looked for when there is none yet; 3000–9999 by default. */
  range?: readonly [first: number, last: number]
  /** Gives HMR a port of its own, as it has in middleware mode anyway. */
  hmr?: boolean
  /** Another registry than the user's. */
  path?: string
}
