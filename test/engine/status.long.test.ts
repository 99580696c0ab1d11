import './status.test.ts'
