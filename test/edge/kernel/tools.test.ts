/** Running tools. */
import { expect, test } from 'vitest'
import { runTool } from '../../../src/edge/kernel/tools.ts'

test('a tool that fails to start is an outcome, not a fault', async () => {
  expect(await runTool(['/nowhere/at/all'])).toMatchObject({
    code: undefined,
    error: '/nowhere/at/all is not installed',
  })
})
