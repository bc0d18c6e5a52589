'use strict'

const { plain } = require('./call.cjs')
const { invalid } = require('./error.cjs')

/** Options as an own object, none of them unknown. */
function known(options, names, taker) {
  const given = plain(options)
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw invalid('option', name, `is not known: ${taker} takes ${names.join(', ')}`)
  }
  return given
}

/** Refuses those that are given and no strings. */
function texts(given, ...names) {
  for (const name of names) {
    const value = given[name]
    if (value !== undefined && typeof value !== 'string') throw invalid(name, value, 'is not a string')
  }
}

/** A port as configurations have it, also as a text from the environment or the command line. */
function portOf(port) {
  return typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
}

module.exports = { known, portOf, texts }
