import { connect } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type HttpServer, openHttp, parseHttpAddress, whyNotLive, whyNotReady } from '../../../src/edge/operate/http.ts'
import type { Stage } from '../../../src/engine/leaving-stage.ts'
import { protocolOf, viewOf } from '../../support/view.ts'

describe('the address', () => {
  test.each([
    ['127.0.0.1:9179', { host: '127.0.0.1', port: 9179 }],
    ['[::1]:9179', { host: '::1', port: 9179 }],
    ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    [':9179', { host: '', port: 9179 }],
    ['9179', undefined],
    ['::1:9179', undefined],
    ['127.0.0.1:65536', undefined],
    ['127.0.0.1:', undefined],
    ['[::1]', undefined],
    ['', undefined],
  ])('%s', (text, address) => {
    expect(parseHttpAddress(text)).toEqual(address)
  })
})

describe('readiness', () => {
  const up = protocolOf('rack', 'Established')
  const down = protocolOf('other', 'Active')
  const NONE_UP = 'no session is Established, 1 configured'
  const leavingAt = (stage: Stage) => () => ({ stage, reason: '' })
  test.each([
    ['synced, nothing configured', viewOf({}), undefined],
    ['one of two is up', viewOf({ protocols: [down, up] }), undefined],
    ['none is up', viewOf({ protocols: [down] }), NONE_UP],
    ['not synced', viewOf({ protocols: [up], synced: false }), 'objects are not synced'],
    ['not synced, and why', viewOf({ synced: false, problems: 1 }), 'objects are not synced\nwrong'],
    ['none is up, and one is disabled', viewOf({ protocols: [{ ...down, disabled: true }] }), undefined],
    ['the other is disabled', viewOf({ protocols: [{ ...down, disabled: true }, down] }), NONE_UP],
    ['the node leaves', { ...viewOf({ protocols: [down] }), leaving: leavingAt('withdrawn') }, NONE_UP],
    ['the node has left', { ...viewOf({ protocols: [down] }), leaving: leavingAt('gone') }, undefined],
    ['stopping', viewOf({ protocols: [up], stopping: true }), 'stopping'],
  ])('%s', (_name, view, whyNot) => {
    expect(whyNotReady(view)).toBe(whyNot)
  })
})

describe('liveness', () => {
  test('an engine that turns is alive', () => {
    const driver = {
      turns: 4,
      feed() {
        driver.turns++
      },
    }
    expect(whyNotLive(driver)).toBeUndefined()
  })

  test('one that does not is not', () => {
    expect(whyNotLive({ turns: 4, feed: () => {} })).toBe('the engine has stopped processing input')
  })
})

describe('the server', () => {
  let server: HttpServer | undefined
  let live: string | undefined
  let ready: string | undefined
  let scrape = async () => ['godwit_up ', '1\n']

  afterEach(async () => {
    await server?.close()
    server = undefined
    live = ready = undefined
  })

  async function start(host = '127.0.0.1', port = 0): Promise<string> {
    const metrics = { contentType: 'text/plain; version=0.0.4', scrape: () => scrape() }
    server = await openHttp({ host, port, metrics, whyNotLive: () => live, whyNotReady: () => ready })
    return `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`
  }

  test('answers what is asked', async () => {
    const url = await start()
    const metrics = await fetch(`${url}/metrics`)
    expect([metrics.status, metrics.headers.get('content-type'), await metrics.text()]).toEqual([
      200,
      'text/plain; version=0.0.4',
      'godwit_up 1\n',
    ])
    expect(await (await fetch(`${url}/livez?verbose`)).text()).toBe('ok\n')
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`, { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(`${url}/else`)).status).toBe(404)
    expect((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405)
  })

  test('says why it is not ready or alive', async () => {
    const url = await start()
    ready = 'objects are not synced'
    live = 'the engine has stopped processing input'
    const answers = [await fetch(`${url}/readyz`), await fetch(`${url}/livez`)]
    expect(answers.map(({ status }) => status)).toEqual([503, 503])
    expect(await answers[0]?.text()).toBe('objects are not synced\n')
  })

  test('listens on IPv6', async () => {
    expect((await fetch(`${await start('::1')}/livez`)).status).toBe(200)
  })

  test('a taken port is one line that names it', async () => {
    const url = await start()
    const port = Number(new URL(url).port)
    const metrics = { contentType: '', scrape }
    const second = openHttp({ host: '127.0.0.1', port, metrics, whyNotLive: () => live, whyNotReady: () => ready })
    await expect(second).rejects.toThrow(`cannot listen on 127.0.0.1:${port} for HTTP: Address already in use`)
  })

  test('a page of many megabytes arrives whole', async () => {
    const url = await start()
    const before = scrape
    const parts = Array.from({ length: 1_000 }, (_, index) => `${index} `.padEnd(8_000, 'x'))
    scrape = async () => parts
    expect(await (await fetch(`${url}/metrics`)).text()).toBe(parts.join(''))
    scrape = before
  })

  test('a scrape that fails breaks only that answer', async () => {
    const url = await start()
    const before = scrape
    scrape = async () => {
      throw new Error('fault')
    }
    const failed = await fetch(`${url}/metrics`)
    expect([failed.status, await failed.text()]).toEqual([500, 'fault: fault\n'])
    scrape = before
    expect((await fetch(`${url}/metrics`)).status).toBe(200)
  })

  test('a caller that asks again before it has its answer is cut off: no answers pile up', async () => {
    const url = await start()
    const before = scrape
    let scrapes = 0
    scrape = async () => {
      scrapes++
      return ['x'.repeat(8_000)]
    }
    await new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
        socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(5_000)),
      )
      socket.on('error', () => {})
      socket.on('close', () => resolve())
      socket.resume()
    })
    expect(scrapes).toBe(1)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    scrape = before
  })

  test('nonsense is refused and the server goes on', async () => {
    const url = await start()
    const { port } = new URL(url)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(`${'\u0000\u00ff'.repeat(200)}\r\n\r\n`))
      socket.on('error', () => {})
      socket.on('close', () => resolve())
      socket.resume()
    })
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })

  test('connections that ask nothing or half of something keep nobody out', async () => {
    const url = await start()
    const port = Number(new URL(url).port)
    const silent = Array.from({ length: 80 }, (_, index) => {
      const socket = connect(port, '127.0.0.1', () => void (index % 2 === 0 && socket.write('GET /livez HTTP/1.1\r\n')))
      socket.on('error', () => {})
      return socket
    })
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    // All come from one caller: only so many of them have a seat, and the others were closed.
    await vi.waitFor(() => expect(server?.refused).toBeGreaterThanOrEqual(80 - 16))
    for (const socket of silent) socket.destroy()
  })
})
