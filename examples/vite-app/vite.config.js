import portkeeper from 'portkeeper/vite'

// The same port every day, another one in each git worktree, and a word about who has it otherwise.
export default { plugins: [portkeeper()] }
