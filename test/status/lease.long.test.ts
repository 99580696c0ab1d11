import './lease.test.ts'
