import './twins.test.ts'
