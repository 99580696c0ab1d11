import './damping.test.ts'
