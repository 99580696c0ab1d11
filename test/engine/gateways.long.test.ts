import './gateways.test.ts'
