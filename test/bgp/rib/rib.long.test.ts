import './rib.test.ts'
