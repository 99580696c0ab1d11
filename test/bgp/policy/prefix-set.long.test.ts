import './prefix-set.test.ts'
