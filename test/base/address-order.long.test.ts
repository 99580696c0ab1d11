import './address-order.test.ts'
