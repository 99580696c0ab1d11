import './by-hand.test.ts'
