import './service-loops.test.ts'
