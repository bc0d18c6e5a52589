'use strict'
module.exports = { devPort: async () => { throw new Error('soon') } }
