import portkeeper = require('portkeeper')

export const keeper: Promise<portkeeper.Keeper> = portkeeper.Keeper.open()
export const sync: portkeeper.Reservation[] = portkeeper.Keeper.openSync().requestSync({ project: 'a' })
export const path: string = portkeeper.Keeper.openSync().path
