import './node-routes.test.ts'
