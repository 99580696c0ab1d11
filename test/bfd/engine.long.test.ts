import './engine.test.ts'
