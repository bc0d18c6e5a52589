/// <reference types="node" />
import type { Server } from 'node:net'

/** Every port of this machine's registry: whose it is, who uses it, who had it before. */
export class Keeper implements Disposable {
  private constructor()

  /** Opens the user's registry: `PORTKEEPER_DB_PATH` where it is set, else `~/.portkeeper/database.db`. */
  static open(options?: OpenOptions & CallOptions): Promise<Keeper>
  /** The same, on the caller's thread, for a configuration file that cannot wait. */
  static openSync(options?: OpenOptions): Keeper

  /** The file of the registry; `:memory:` for one without. */
  readonly path: string

  /** Says what a port is: whose, and who listens on it. Nothing is written. */
  check(port: number, options?: CallOptions): Promise<PortState>
  checkSync(port: number): PortState

  /** Claims a port of your choice, or alters your claim; what is not mentioned stays as it is. */
  reserve(port: number, options: ReserveOptions & CallOptions): Promise<Reservation>
  reserveSync(port: number, options: ReserveOptions): Reservation

  /** The next higher port that a request without a range would give; nothing is claimed. */
  nextFree(port: number, options?: CallOptions): Promise<number | null>

  /** Claims free ports of the engine's choice: all that were asked for, or none. */
  request(options: RequestOptions & CallOptions): Promise<Reservation[]>
  requestSync(options: RequestOptions): Reservation[]

  /** Ends claims: of a port, of several ports, or of a whole project. All of them or none. */
  release(claims: Claims, options?: ReleaseOptions & CallOptions): Promise<Reservation[]>
  /** The same, for an exit handler. */
  releaseSync(claims: Claims, options?: ReleaseOptions): Reservation[]

  /** Claims ports until the lease is released, or this process or worker ends. */
  lease(options: RequestOptions & CallOptions): Promise<Lease>

  /** Claims one port and listens on it: `server.listen({ fd: bound.fd })` leaves no gap. */
  bind(options: BindOptions & CallOptions): Promise<BoundPort>

  /** Keeps strangers off a claimed port until its server listens, which may start meanwhile. */
  hold(port: number, options?: CallOptions): Promise<Hold>

  /**
   * Waits until a server listens, and makes sure that it is the right one: the process `pid`, else the
   * owner of the claim, else this process, or a descendant. Rejects with `WRONG_LISTENER`, which names
   * who answers instead.
   */
  waitReady(target: number | Lease | BoundPort | Hold, options?: WaitReadyOptions & CallOptions): Promise<Socket>

  /** Ends the processes that listen on a port, never its clients. The claim stays. */
  kill(port: number, options?: KillOptions & CallOptions): Promise<KillReport>

  /** Looks at the machine once and brings the registry up to date. */
  scan(options?: CallOptions): Promise<ScanReport>
  /** Every TCP listener and UDP socket of this machine with its owner. Nothing is written. */
  listeners(options?: CallOptions): Promise<Socket[]>

  /** The registry's row of a port, also of one that is free again; the machine is not looked at. */
  get(port: number, options?: CallOptions): Promise<Reservation | null>
  /** The claims that match, by number; by default all. */
  list(options?: ListOptions & CallOptions): Promise<Reservation[]>
  /** What happened to claims, newest first; at most 100 entries, unless there is another limit. */
  history(options?: HistoryOptions & CallOptions): Promise<HistoryEntry[]>
  /** Who had a port at one moment, to the second. */
  holderAt(port: number, time: Date, options?: CallOptions): Promise<Holder | null>
  /** Claims that were made long ago, by default more than 30 days, and are not in use. */
  stale(options?: { olderThan?: Milliseconds } & CallOptions): Promise<StaleReservation[]>
  summary(options?: CallOptions): Promise<Summary>
  projects(options?: CallOptions): Promise<ProjectPorts[]>

  /** The claims as a document, which the registry keeps. */
  export(options?: { project?: string; name?: string } & CallOptions): Promise<Document>
  /** Takes the claims of a document into the registry: all of them or none. */
  import(options: ImportOptions & LongOptions): Promise<ImportReport>
  configurations(options?: CallOptions): Promise<Configuration[]>
  configuration(id: number, options?: CallOptions): Promise<SavedDocument>
  removeConfiguration(id: number, options?: CallOptions): Promise<void>

  /** A whole copy of the registry, while everybody goes on writing. Never copy the file yourself. */
  backup(path: string, options?: LongOptions): Promise<BackupReport>
  /** Makes the claims those of a backup or a dump; deletes no history. */
  restore(path: string, options?: LongOptions): Promise<RestoreReport>
  /** The registry as SQL in a new file. */
  dump(path: string, options?: LongOptions): Promise<void>
  prune(options?: PruneOptions & LongOptions): Promise<PruneReport>
  compact(options?: LongOptions): Promise<CompactReport>
  /** Looks for damage; an empty answer means that all is well. */
  verify(options?: LongOptions): Promise<Finding[]>
  stats(options?: CallOptions): Promise<Stats>

  /** Closes the registry. Leases, holds and bound ports stay what they are. */
  close(): void
  [Symbol.dispose](): void
}

/** Ports that are yours until they are released, or this process or worker ends. */
export class Lease implements Disposable, AsyncDisposable {
  protected constructor()
  /** The first of the ports. */
  readonly port: number
  /** The ports, in the order of the request. */
  readonly ports: readonly number[]
  /** The claims as they were granted. */
  readonly reservations: readonly Reservation[]
  /** Says what a leased port is used for from now on, without an entry in the history; `null` for nothing. Not for a bound port. */
  setRole(port: number, role: string | null): Promise<void>
  /** Gives the ports back. After an error it can be tried again; a second call does nothing. */
  release(): Promise<void>
  /** The same, for an exit handler or `using`. */
  releaseSync(): void
  [Symbol.dispose](): void
  [Symbol.asyncDispose](): Promise<void>
}

/** A leased port with its listening socket. */
export class BoundPort extends Lease {
  private constructor()
  /** The address that it listens on. */
  readonly address: string
  readonly reservation: Reservation
  /**
   * The descriptor of the listening socket. Whoever reads it owns it: `server.listen({ fd })` closes it
   * with the server. What was never read is closed by `release`. Not on Windows.
   */
  readonly fd: number
}

/** A claimed port that is kept bound, without listening, until it is released. */
export class Hold implements Disposable, AsyncDisposable {
  private constructor()
  readonly port: number
  /** Lets go of the port for a server that does not set `SO_REUSEADDR`; the claim is as it was. */
  lend(): Promise<void>
  /** Binds the port again after `lend`; `false` where it cannot be had. */
  takeBack(): Promise<boolean>
  release(): Promise<void>
  releaseSync(): void
  [Symbol.dispose](): void
  [Symbol.asyncDispose](): Promise<void>
}

/** The names of errors, the same in every language. */
export type ErrorCode =
  | 'PORT_INVALID' | 'PROJECT_REQUIRED' | 'INVALID_INPUT' | 'PORT_NOT_FOUND' | 'PORT_RESERVED' | 'PORT_IN_USE'
  | 'RANGE_EXHAUSTED' | 'WRONG_LISTENER' | 'TIMEOUT' | 'PERMISSION_DENIED' | 'PROCESS_KILL_ERROR' | 'SCAN_FAILED'
  | 'IMPORT_INVALID' | 'DATABASE_ERROR' | 'DATABASE_BUSY' | 'DATABASE_FULL' | 'DATABASE_CORRUPT' | 'SCHEMA_TOO_NEW'
  | 'SCHEMA_MISMATCH' | 'UNSUPPORTED' | 'INTERNAL' | 'CANCELLED'

/** Why an operation was refused or failed. The message is a sentence that names the value. */
export class PortkeeperError extends Error {
  private constructor()
  readonly name: 'PortkeeperError'
  readonly code: ErrorCode
  /** The stable number of the code. */
  readonly number: number
  /** The port that it is about. */
  readonly port: number | null
  /** The project that stands in the way. */
  readonly project: string | null
  /** The process that stands in the way. */
  readonly pid: number | null
  /** The next free port, where `suggest` asked for one. */
  readonly nextFree: number | null
}

/** The number of every error code. */
export const errorNumbers: Readonly<Record<ErrorCode, number>>

/** What folders are called as projects. */
export const Project: {
  /** The project of a folder, by default of the current one. */
  detect(path?: string): Promise<Project>
  detectSync(path?: string): Project
}
export interface Project {
  /** What its manifest calls it, else the name of its folder. */
  name: string
  /** The folder that gave the name. */
  root: string
  /** Git's name of the linked worktree that the folder is in. */
  worktree: string | null
  /** What to reserve ports for: the name, and in a linked worktree `name@worktree`. */
  id: string
}

/**
 * The port of a dev server: the same for this project, checkout and role every day, kept from others
 * until the server listens, and in use until it ends.
 *
 * ```js
 * const dev = await devPort()
 * dev.serve(http.createServer(app).listen(dev.port))
 * ```
 */
export function devPort(options?: DevPortOptions): Promise<DevPort>

export interface DevPortOptions {
  /** Whose port; by default the project of `root`, see `Project`. */
  project?: string
  /** What for, within the project; `web` by default. */
  role?: string
  /** A folder of the project; the current one by default. */
  root?: string
  /** The user's own choice, which is respected and reserved. By default `PORT` of the environment. */
  port?: number
  /** Where ports are looked for; 3000–9999 by default, without those that browsers refuse. */
  range?: readonly [first: number, last: number]
  /** What `list` says that the port is for. */
  description?: string
  /** Another registry than the user's. */
  path?: string
  signal?: AbortSignal
}

export interface DevPort extends Disposable, AsyncDisposable {
  readonly port: number
  readonly project: string
  readonly role: string
  /** Whether the user chose it. */
  readonly explicit: boolean
  /** Whether the claim and the use are this process's; not where somebody has the user's own choice. */
  readonly claimed: boolean
  /** A sentence for the user where the port is not the usual one, or somebody has it; else null. */
  readonly message: string | null
  /** Follows a server: in use from when it listens to when it closes. */
  serve(server: Server): void
  /** Waits until this process, or `pid`, or a child of it listens, and says so to the registry. */
  listening(options?: { pid?: number; timeout?: Milliseconds; signal?: AbortSignal }): Promise<void>
  /** Ends the use. The port stays the project's. */
  release(): Promise<void>
  releaseSync(): void
}

export type Milliseconds = number
export type Status = 'free' | 'reserved' | 'in-use'
export type Action = 'reserved' | 'released' | 'in-use' | 'killed'
export type Strategy = 'lowest' | 'contiguous' | 'random' | 'stable'
/** A port, several ports, or every port of a project. */
export type Claims = number | readonly number[] | { project: string }

export interface OpenOptions {
  path?: string
  /** A registry that vanishes with the keeper, for tests. */
  inMemory?: boolean
  /** Who the history says did it; by default the program's name and pid. */
  actor?: string
  /** Of every write; by default claims survive a power cut. */
  durability?: 'full' | 'normal'
  /** How long to wait for other writers before `DATABASE_BUSY`; 10,000 by default. */
  busyTimeout?: Milliseconds
  /** Whether the registry may be on a network or FUSE file system, which may lose what was acknowledged. */
  allowNetworkFileSystem?: boolean
}

export interface CallOptions {
  /** Ends what the call waits for, and rejects it with an `AbortError`. What was done already stays. */
  signal?: AbortSignal
}

export interface LongOptions extends CallOptions {
  onProgress?: (progress: Progress) => void
}

export interface Progress {
  operation: string
  done: number
  /** Grows when there turns out to be more. */
  total: number
}

export interface ReserveOptions {
  project: string
  /** An empty text removes it. */
  description?: string
  tags?: readonly string[]
  /** Your own data. */
  metadata?: Readonly<Record<string, unknown>>
  /** Claims the port although somebody else listens there. */
  adopt?: boolean
  /** Lets a refusal name the next free port. */
  suggest?: boolean
}

export interface RequestOptions {
  project: string
  /** A port for each; who asks for the same role again gets the same port. */
  roles?: readonly string[]
  count?: number
  range?: readonly [first: number, last: number]
  strategy?: Strategy
  avoid?: readonly number[]
  description?: string
  tags?: readonly string[]
  /** Ties the claims to this process. */
  autoRelease?: boolean
  /** Ties the claims to a process. */
  ownedBy?: number
  /** Ends the claims after this time. */
  ttl?: Milliseconds
}

export interface BindOptions extends RequestOptions {
  /** Where to listen; 127.0.0.1 by default. */
  address?: string
}

export interface ReleaseOptions {
  /** Refuses where a port is another project's. */
  onlyOf?: string
}

export interface WaitReadyOptions {
  /** 30,000 by default. */
  timeout?: Milliseconds
  pid?: number
}

export interface KillOptions {
  /** How long a process may take to end by itself; 5,000 by default. */
  grace?: Milliseconds
}

export interface ListOptions {
  status?: Status
  project?: string
  tag?: string
  range?: readonly [first: number, last: number]
}

export interface HistoryOptions {
  port?: number
  project?: string
  action?: Action
  since?: Date
  until?: Date
  /** The last entry of the page before. */
  before?: Pick<HistoryEntry, 'performedAt' | 'id'>
  limit?: number
}

export type ImportOptions = {
  mode?: 'merge' | 'replace'
  project?: string
  dryRun?: boolean
  skipConflicts?: boolean
  name?: string
} & (
  | { document: Document; json?: undefined; configuration?: undefined; predecessor?: undefined }
  | { json: string; document?: undefined; configuration?: undefined; predecessor?: undefined }
  | { configuration: number; document?: undefined; json?: undefined; predecessor?: undefined }
  | { predecessor: string; document?: undefined; json?: undefined; configuration?: undefined }
)

export interface PruneOptions {
  historyOlderThan?: Milliseconds
  scansOlderThan?: Milliseconds
}

/** A port and whose it is, or last was. */
export interface Reservation {
  number: number
  projectName: string
  description: string | null
  status: Status
  /** The process that listened at the last scan. */
  pid: number | null
  processName: string | null
  reservedAt: Date
  lastSeenAt: Date | null
  updatedAt: Date
  autoRelease: boolean
  tags: string[]
  metadata: Record<string, unknown>
  lease: LeaseTerms | null
}

export interface LeaseTerms {
  id: string
  role: string | null
  owner: ProcessIdentity | null
  held: boolean
  borrowed: boolean
  expiresAt: Date | null
}

export interface ProcessIdentity {
  pid: number
  start: number
  boot: string
  namespace: number
  pidfd: number
}

interface State<V extends string> {
  port: number
  /** The registry's status. */
  status: Status
  verdict: V
  /** The verdict as a phrase for people. */
  explanation: string
  reservation: Reservation | null
}

/** What a port is; `verdict` tells which facts there are. */
export type PortState =
  | State<'free'>
  | (State<'reserved'> & { project: string; since: Date })
  | (State<'held'> & { project: string; since: Date; pid: number })
  | (State<'listening'> & { project: string | null; listeners: Socket[] })
  | (State<'bound'> & { project: string | null; sockets: Socket[] })
  | (State<'outgoing-connection'> & { project: string | null; connections: Socket[] })
  | (State<'time-wait' | 'privileged' | 'excluded'> & { project: string | null })

export interface Process {
  pid: number
  name: string
}

export interface Socket {
  port: number
  protocol: 'tcp' | 'udp'
  /** `0.0.0.0` and `::` mean every address. */
  address: string
  state: 'listen' | 'bound' | 'connected' | 'time-wait'
  remote: string | null
  /** Whether `processes` is the whole truth, and why not. */
  owner: 'known' | 'denied' | 'other-namespace' | 'none'
  processes: Process[]
  uid: number | null
  inode: number
}

export interface StatusChange {
  port: number
  projectName: string
  from: Status
  to: Status
  process: Process | null
}

export interface ScanReport {
  scannedAt: Date
  listeners: Socket[]
  changes: StatusChange[]
  /** Who listed the sockets. */
  source: 'sock-diag' | 'proc-net' | 'netstat2' | 'other'
}

export interface KillReport {
  port: number
  killed: { pid: number; name: string; forced: boolean }[]
  reservation: Reservation | null
}

export interface HistoryEntry {
  id: number
  port: number
  action: Action
  projectName: string | null
  description: string | null
  performedBy: string | null
  performedAt: Date
  details: Record<string, unknown>
}

export interface Holder {
  port: number
  projectName: string
  status: Status
  entry: HistoryEntry
}

export interface StaleReservation extends Reservation {
  daysOld: number
}

export interface Summary {
  reserved_count: number
  in_use_count: number
  free_count: number
  total_count: number
}

export interface ProjectPorts {
  projectName: string
  ports: number[]
  activeCount: number
}

export interface Document {
  version: string
  exportDate: Date | null
  ports: DocumentPort[]
}

export interface DocumentPort {
  number: number
  projectName: string
  description: string | null
  status: Status
  pid: number | null
  processName: string | null
  reservedAt: Date | null
  lastSeenAt: Date | null
  updatedAt: Date | null
  autoRelease: boolean
  tags: string[]
  metadata: Record<string, unknown>
  role: string | null
}

export interface Configuration {
  id: number
  name: string
  description: string | null
  version: string
  createdAt: Date
  createdBy: string | null
  checksum: string | null
  bytes: number
}

export interface SavedDocument extends Configuration {
  /** Whether the document is, by its checksum, the one that was kept. */
  verified: boolean
  document: Document
}

export interface ImportReport {
  ports: ImportedPort[]
  added: number
  updated: number
  unchanged: number
  conflicts: number
  freed: number
  dryRun: boolean
  configuration: number | null
}

export interface ImportedPort {
  port: number
  projectName: string
  outcome: 'added' | 'updated' | 'unchanged' | 'conflict' | 'freed'
  changed: string[]
  otherProject: string | null
  otherSince: Date | null
}

export interface BackupReport {
  path: string
  bytes: number
  pages: number
  rows: number
}

export interface RestoreReport {
  safetyBackup: string | null
  restored: number
  released: number
  history: number
  configurations: number
}

export interface PruneReport {
  history: number
  scans: number
}

export interface CompactReport {
  bytesBefore: number
  bytesAfter: number
}

export interface Finding {
  severity: 'warning' | 'error'
  kind: 'integrity' | 'foreign-key' | 'schema' | 'port' | 'value' | 'timestamp' | 'json' | 'history' | 'lease'
  port: number | null
  message: string
}

export interface Stats {
  path: string
  bytes: number
  walBytes: number
  pages: number
  pageSize: number
  freePages: number
  schemaVersion: number
  rows: Record<string, number>
}
