import portkeeper from './vite.cjs'

export default portkeeper
export { portkeeper }
