import './where.test.ts'
