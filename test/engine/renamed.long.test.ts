import './renamed.test.ts'
