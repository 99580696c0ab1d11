/** How far this node has got in leaving: its neighbors prefer other ways, were told to forget its routes, have no session. */
export type Stage = 'here' | 'drained' | 'withdrawn' | 'gone'
