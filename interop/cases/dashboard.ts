// The dashboard in front of a real Prometheus: each of its queries finds data about an agent that has lived through what
// it asks for: sessions that are up, down, disabled and refused, BFD, a malformed UPDATE, filters, NAT.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent } from '../lab/agent.ts'
import type { Host } from '../lab/lab.ts'
import { bgpFilter, bgpPeer, ipPool } from '../lab/manifests.ts'
import { has } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { startBfdd } from './bfd.ts'
import { type Case, expect, Skip, sessionsUp } from './case.ts'
import { PROBE, PROBE_AS, wrong } from './errors-update.ts'
import { CLUSTER_AS, Cluster, configuration, ROUTER_AS } from './rack.ts'

const DASHBOARD = fileURLToPath(new URL('../../deploy/dashboard.json', import.meta.url))
/** Disabled on purpose. */
const SPARE = 'Global_10_77_0_98'
const LISTEN = '127.0.0.1:9090'

const CONFIGURATION = `
global: { scrape_interval: 2s, scrape_timeout: 2s }
scrape_configs:
  - job_name: godwit
    static_configs: [{ targets: ['127.0.0.1:9179'] }]
`

/** A datagram to the port of BFD that no session is for: as from a router next door (RFC 5881 §5), and too short. */
const STRANGER = `const socket = require('node:dgram').createSocket('udp4')
socket.bind(49152, () => {
  socket.setTTL(255)
  socket.send('nobody', 3784, process.argv[1], () => socket.close())
})`

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}

/** As Grafana asks. A last `> 0` hides rows without news from a person; here it would hide that there are rows. */
const asked = (expr: string): string =>
  expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '30s').replace(/ > 0$/, '')

const queries = async (): Promise<readonly string[]> => {
  const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8')) as Dashboard
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => asked(expr)))
}

const rowsOf = async (host: Host, query: string): Promise<number> => {
  const url = `http://${LISTEN}/api/v1/query?query=${encodeURIComponent(query)}`
  const answer = JSON.parse(await host.must(['curl', '-s', '--max-time', '5', url])) as {
    readonly status: string
    readonly error?: string
    readonly data?: { readonly result: readonly unknown[] }
  }
  expect(answer.status === 'success', `${query}: ${answer.error}`)
  return answer.data?.result.length ?? 0
}

const startPrometheus = async (host: Host): Promise<void> => {
  const file = join(host.directory, 'prometheus.yml')
  await writeFile(file, CONFIGURATION)
  const storage = `--storage.tsdb.path=${join(host.directory, 'prometheus')}`
  host.start('prometheus', ['prometheus', `--config.file=${file}`, storage, `--web.listen-address=${LISTEN}`])
}

const dashboard: Case = {
  name: 'metrics: every query of the dashboard finds data in a real Prometheus',
  speakers: 'frr',
  limit: 240_000,
  async run({ lab, speaker }) {
    for (const program of ['prometheus', 'curl', 'nft']) {
      if (!(await has(program))) throw new Skip(`${program} is not installed`)
    }
    const cluster = new Cluster(lab)
    const { host } = await cluster.node(1)
    const agent = new Agent(host, cluster.manifests, { linux: true })
    const [router, from] = [await lab.host('router', 1), await lab.host('probe', 2)]
    await cluster.manifests.put(
      configuration({ serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] }),
      ipPool('pods-v4', '10.244.0.0/16', { natOutgoing: true }),
      bgpFilter('all', { importV4: [{ action: 'Accept' }] }),
      bgpPeer('router', router.ipv4, ROUTER_AS, { bfd: {}, filters: ['all'] }),
      bgpPeer('probe', from.ipv4, PROBE_AS, { passive: true }),
      bgpPeer('absent', '10.77.0.99', ROUTER_AS),
      bgpPeer('spare', '10.77.0.98', ROUTER_AS),
    )
    const neighbors = [{ address: host.ipv4, asn: CLUSTER_AS, features: [{ session: ['bfd 3 300 300'] }] }]
    const frr = await speaker.start(router, { asn: ROUTER_AS, neighbors })
    await startBfdd(router, speaker)
    await agent.start()
    await startPrometheus(host)
    await sessionsUp(frr, 1)
    await agent.act('disable', SPARE)
    const update = wrong('c00800', 1, 100)
    from.start('probe', [process.execPath, PROBE, host.ipv4, String(PROBE_AS), '90', from.ipv4, ...update])
    from.start('stranger', [process.execPath, '-e', STRANGER, host.ipv4])
    const empty = new Set(await queries())
    await eventually(
      async () => {
        // One that has found data is not asked again: on a busy machine a scrape may be missed in between.
        for (const query of empty) if ((await rowsOf(host, query)) > 0) empty.delete(query)
        expect(empty.size === 0, `${empty.size} queries find nothing:\n${[...empty].join('\n')}`)
      },
      { within: 180_000, every: 2000 },
    )
    const told = (query: string, peer: string) => rowsOf(host, query.replace('{}', `{peer="${peer}"}`))
    await eventually(async () => {
      expect((await told('godwit_session_disabled{} == 1', SPARE)) === 1, 'the spare is not disabled')
      expect((await told('godwit_sessions_down{} == 0', SPARE)) === 1, 'the spare counts as down')
      expect((await told('godwit_sessions_down{} == 1', 'Global_10_77_0_99')) === 1, 'the absent one is not down')
    })
  },
}

export const cases: readonly Case[] = [dashboard]
