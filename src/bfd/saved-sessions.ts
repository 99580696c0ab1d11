/**
 * Reads the sessions that an earlier run has left. That run may have been another version, and a session that makes no sense
 * would end each run that goes on with it: so each value is looked at.
 */
import { parseAddress } from '../base/address.ts'
import type { Micros } from '../base/units.ts'
import { BFD_STATES, MOST_MULTIPLIER } from './packet.ts'
import { FIRST_PORT, LAST_PORT } from './ports.ts'
import type { AdvertisedValues, BfdIntent, HeardPacket, SavedSession } from './types.ts'

type Unread = Readonly<Record<string, unknown>>

/** No object asks for less; an interval of 0 would send packets without a pause. */
const LEAST_INTERVAL: Micros = 10_000
/** A field of 32 bits. */
const MOST = 2 ** 32 - 1
const MOST_TTL = 255
/** Five bits (RFC 5880 §4.1). */
const MOST_DIAGNOSTIC = 31

/**
 * Undefined where one of them is no session, or two have one remote address, which is the key of a session, or one
 * discriminator.
 */
export function readSavedSessions(value: unknown): readonly SavedSession[] | undefined {
  if (!Array.isArray(value) || !value.every(isSaved)) return undefined
  const remotes = new Set(value.map(({ intent }) => intent.remote))
  const discriminators = new Set(value.map(({ discriminator }) => discriminator))
  return remotes.size === value.length && discriminators.size === value.length ? value : undefined
}

function isSaved(value: unknown): value is SavedSession {
  if (!isRecord(value)) return false
  const { intent, discriminator, port, advertised, heard, isUnanswered } = value
  return (
    isIntent(intent) &&
    isWhole(discriminator, 1, MOST) &&
    isWhole(port, FIRST_PORT, LAST_PORT) &&
    hasState(value) &&
    // Sessions that announce AdminDown are about to be removed: they are not saved.
    value.state !== 'AdminDown' &&
    (isUnanswered === undefined || isUnanswered === true) &&
    isAdvertised(advertised) &&
    isHeard(heard) &&
    // Without a neighbor that was heard nothing would end another state.
    (value.state === 'Down' || (heard.discriminator !== 0 && heard.multiplier !== 0))
  )
}

function isIntent(value: unknown): value is BfdIntent {
  if (!isRecord(value)) return false
  const { remote, local, hops, transmit, receive, multiplier, minimumTtl, passive } = value
  return (
    isAddress(remote) &&
    (local === undefined || isAddress(local)) &&
    (hops === 'single' || hops === 'multi') &&
    isLink(value) &&
    isWhole(transmit, LEAST_INTERVAL, MOST) &&
    isWhole(receive, LEAST_INTERVAL, MOST) &&
    isWhole(multiplier, 1, MOST_MULTIPLIER) &&
    isWhole(minimumTtl, 0, MOST_TTL) &&
    typeof passive === 'boolean'
  )
}

const isLink = ({ interface: link, isBound }: Unread): boolean =>
  (link === undefined || typeof link === 'string') && (isBound === undefined || isBound === true)

function isAdvertised(value: unknown): value is AdvertisedValues {
  if (!isRecord(value)) return false
  const { desired, required, multiplier } = value
  return (
    isWhole(desired, LEAST_INTERVAL, MOST) &&
    isWhole(required, LEAST_INTERVAL, MOST) &&
    isWhole(multiplier, 1, MOST_MULTIPLIER)
  )
}

/** What a neighbor may say: intervals of any length, and zeros where it has said nothing. */
function isHeard(value: unknown): value is HeardPacket {
  if (!isRecord(value)) return false
  const { discriminator, demand, controlPlaneIndependent, multiplier, desiredMinTx, requiredMinRx } = value
  return (
    hasState(value) &&
    isWhole(discriminator, 0, MOST) &&
    isWhole(multiplier, 0, MOST_MULTIPLIER) &&
    isWhole(desiredMinTx, 0, MOST) &&
    isWhole(requiredMinRx, 0, MOST) &&
    typeof demand === 'boolean' &&
    typeof controlPlaneIndependent === 'boolean'
  )
}

const hasState = ({ state, diagnostic }: Unread): boolean =>
  BFD_STATES.some((known) => known === state) && isWhole(diagnostic, 0, MOST_DIAGNOSTIC)

const isRecord = (value: unknown): value is Unread => typeof value === 'object' && value !== null

/** As we write it: another text would be another neighbor. */
const isAddress = (value: unknown): boolean => typeof value === 'string' && parseAddress(value) === value

const isWhole = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
