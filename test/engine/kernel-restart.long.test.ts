import './kernel-restart.test.ts'
