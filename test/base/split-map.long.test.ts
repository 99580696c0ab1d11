import './split-map.test.ts'
