import portkeeper from './webpack.cjs'

export default portkeeper
export { portkeeper }
export const { devServer } = portkeeper
