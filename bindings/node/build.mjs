// Builds the addon with cargo and puts it where lib/native.cjs looks: native/portkeeper.<platform>-<arch>.node
// `node build.mjs` builds what `npm install` wants, a release; with --debug what the tests want.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const args = ['build', '--package', 'portkeeper-node', '--lib', '--locked', '--message-format=json-render-diagnostics']
if (!process.argv.includes('--debug')) args.push('--release')

const cargo = spawnSync('cargo', args, { cwd: here, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28, encoding: 'utf8' })
if (cargo.error) throw new Error(`portkeeper is built with cargo, see https://rustup.rs: ${cargo.error.message}`)
if (cargo.status !== 0) process.exit(cargo.status ?? 1)

const messages = cargo.stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
const built = messages.findLast((message) => message.reason === 'compiler-artifact' && message.target.name === 'portkeeper_node')
const library = built.filenames.find((name) => /\.(so|dylib|dll)$/.test(name))
const addon = join(here, 'native', `portkeeper.${process.platform}-${process.arch}.node`)
mkdirSync(dirname(addon), { recursive: true })
// A process may have the old one loaded: it keeps its file, and nobody sees half of a new one.
copyFileSync(library, `${addon}.new`)
renameSync(`${addon}.new`, addon)
