import { FakeKernel } from '../support/fake-kernel.ts'
import { describeKernel } from './kernel.ts'

describeKernel('the kernel in memory', (feed) => {
  const kernel = new FakeKernel({ feed, later: (work) => setImmediate(work) })
  kernel.addLink('e0', '10.0.0.2/24', 'fd00::2/64')
  kernel.addLink('e1', '10.1.0.2/24', 'fd01::2/64')
  kernel.open()
  return {
    perform: (effect) => kernel.perform(effect),
    addForeign: (...words) => kernel.addForeign(...words),
    addForeignByObject: (...words) => kernel.addForeign(...words),
    remove: (prefix, protocol) => kernel.remove(prefix, protocol),
    addAddress: (name, address) => kernel.addAddress(name, address),
    removeAddress: (name, address) => kernel.removeAddress(name, address),
    setCarrier: (name, up) => kernel.setCarrier(name, up),
    again: (other) => {
      kernel.read(other)
      return { close: async () => {} }
    },
    close: async () => {},
  }
})
