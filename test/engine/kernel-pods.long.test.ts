import './kernel-pods.test.ts'
