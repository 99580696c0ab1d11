/** How far this node has got in leaving: its neighbors prefer other paths, its routes are withdrawn, its sessions have ended. */
export type Stage = 'here' | 'drained' | 'withdrawn' | 'gone'
