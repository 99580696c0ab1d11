import './restart-own.test.ts'
