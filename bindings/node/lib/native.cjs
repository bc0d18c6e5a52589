'use strict'

const path = require('node:path')

const file = path.join(__dirname, '..', 'native', `portkeeper.${process.platform}-${process.arch}.node`)

function load() {
  try {
    return require(file)
  } catch (cause) {
    // A library for another system says so itself; only a missing one needs this advice.
    if (cause.code !== 'MODULE_NOT_FOUND') throw cause
    const advice = `run \`npm run build\` in ${path.dirname(__dirname)}, which needs Rust 1.95`
    throw new Error(`portkeeper has no addon for ${process.platform}-${process.arch}: ${advice}`, { cause })
  }
}

module.exports = load()
