/** The API server of the tests errs where a real one does. */
import { describeApi } from './api.ts'
import { ourServer } from './api-rig.ts'

describeApi('ours, in this process', () => ourServer())
