import type {
  PortkeeperOptions as Options,
  Resolved as ResolvedConfiguration,
} from './webpack.mjs' with { 'resolution-mode': 'import' }

declare function portkeeper<C>(
  configuration: C,
  options?: Options,
): (env?: any, argv?: any) => Promise<ResolvedConfiguration<C>>
declare namespace portkeeper {
  export { portkeeper, portkeeper as default }
  export function devServer<S extends object>(options?: S, wish?: Options): Promise<S & { port: number }>
  export type PortkeeperOptions = Options
  export type Resolved<C> = ResolvedConfiguration<C>
}
export = portkeeper
