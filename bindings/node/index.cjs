'use strict'

const { Keeper, Project } = require('./lib/keeper.cjs')
const { Lease, BoundPort, Hold } = require('./lib/guards.cjs')
const { PortkeeperError, errorNumbers } = require('./lib/error.cjs')
const { devPort } = require('./lib/dev-port.cjs')

module.exports = { Keeper, Lease, BoundPort, Hold, PortkeeperError, Project, devPort, errorNumbers }
