// One instance of the package, whichever way it is loaded.
import portkeeper from './index.cjs'

export const { Keeper, Lease, BoundPort, Hold, PortkeeperError, Project, devPort, errorNumbers } = portkeeper
