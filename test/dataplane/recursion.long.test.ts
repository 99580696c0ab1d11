import './recursion.test.ts'
