import './build-intent.test.ts'
