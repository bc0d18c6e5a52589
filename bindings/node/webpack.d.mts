/**
 * A configuration of webpack or Rspack, or a function or promise of one, with the port of this project
 * and this checkout for its dev server: the same every day.
 *
 * A port of the user's (`devServer.port`, `--port`) is respected and reserved. `webpack build` is left alone.
 */
export function portkeeper<C>(configuration: C, options?: PortkeeperOptions): (env?: any, argv?: any) => Promise<Resolved<C>>
export default portkeeper

/** The options of a dev server with that port, for `new WebpackDevServer(options, compiler)`. */
export function devServer<S extends object>(options?: S, wish?: PortkeeperOptions): Promise<S & { port: number }>

/** What a configuration is when its functions and promises have answered. */
export type Resolved<C> = C extends (...args: any[]) => infer R ? Awaited<R> : Awaited<C>

export interface PortkeeperOptions {
  /** Whose ports; by default the name in the nearest manifest, and in a linked git worktree `name@worktree`. */
  project?: string
  /** What for, within the project; `web` by default. */
  role?: string
  /** Where a port is looked for when there is none yet; 3000–9999 by default. */
  range?: readonly [first: number, last: number]
  /** A folder of the project; by default the configuration's `context`, else the current one. */
  root?: string
  /** Another registry than the user's. */
  path?: string
  /** Where messages go; `console` by default. */
  logger?: { warn(message: string): void }
}
