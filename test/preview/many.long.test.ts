import './many.test.ts'
