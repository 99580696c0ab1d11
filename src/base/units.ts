/**
 * Numbers that say their unit. A plain number may be handed in where a unit is asked for;
 * one unit never passes for another.
 */
type Unit<Name extends string> = number & { readonly unit?: Name }

/** Milliseconds: a point on the engine's clock, or a length of time. */
export type Millis = Unit<'Millis'>
/** Whole microseconds, as BFD counts its intervals (RFC 5880 §4.1). */
export type Micros = Unit<'Micros'>
/** A size in memory or on the wire: octets, which is 8 bits each. */
export type Octets = Unit<'Octets'>
/** Whole seconds, as BGP and Kubernetes count them. */
export type Seconds = Unit<'Seconds'>
/** A four-octet AS number (RFC 6793), 1 to 4294967295. */
export type Asn = Unit<'Asn'>
/** A BGP Identifier (RFC 6286): four octets read as an unsigned number, never 0. */
export type RouterId = Unit<'RouterId'>

export const inMillis = (seconds: Seconds): Millis => seconds * 1_000
/** Not rounded. */
export const inSeconds = (millis: Millis): number => millis / 1_000
export const inMicros = (millis: Millis): Micros => millis * 1_000
export const microsInMillis = (micros: Micros): Millis => micros / 1_000
/** Not rounded. */
export const microsInSeconds = (micros: Micros): number => micros / 1_000_000
export const nanosInMillis = (nanos: bigint): Millis => Number(nanos) / 1_000_000
/** Rounded up. */
export const inNanos = (millis: Millis): bigint => BigInt(Math.ceil(millis * 1_000_000))
