/** Reads what an API server answers: names and versions of objects, pages of lists, and what its errors mean. */
import { ApiError, Silence } from './api.ts'

/** A watch has ended because its resourceVersion has expired. */
class Expired extends Error {}

type Fields = Readonly<Record<string, unknown>>

const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {})
export const metadataOf = (object: unknown): Fields => fields(fields(object).metadata)

/** `namespace/name`; `/name` without a namespace. */
export function keyOf(object: unknown): string {
  const { name, namespace } = metadataOf(object)
  return `${namespace ?? ''}/${name}`
}

/** Of a page of a list: the continue token, undefined on the last page, and the resourceVersion. */
export function pageOf(answer: unknown): { next: string | undefined; version: string | undefined } {
  const { continue: next, resourceVersion } = metadataOf(answer)
  return {
    next: typeof next === 'string' && next !== '' ? next : undefined,
    version: typeof resourceVersion === 'string' ? resourceVersion : undefined,
  }
}

/**
 * Answers that are not due to the resourceVersion: the server does not accept us, is overloaded, or is not the one that answered.
 * If all agents listed after them, an overloaded server would stay overloaded.
 */
const NOT_OF_VERSION: ReadonlySet<number> = new Set([401, 403, 404, 429, 502, 503])

/** Whether a watch may have failed because of the resourceVersion it began at: after some such errors, list again. */
export const mayConcernVersion = (error: unknown): boolean =>
  error instanceof SyntaxError || (error instanceof ApiError && !NOT_OF_VERSION.has(error.status))

/**
 * Whether a resourceVersion is older than another one. False where either is no number: only numbers say which is older
 * (Kubernetes API concepts, "Resource versions").
 */
export function isBefore(version: string | undefined, other: string): boolean {
  const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d{1,20}$/.test(text)
  return isNumber(version) && isNumber(other) && BigInt(version) < BigInt(other)
}

/** No answer arrived. */
export const isUnreached = (error: unknown): boolean => !(error instanceof ApiError) && isOfServer(error)

/** No answer arrived, or the server does not accept us: every kind will fail alike. */
export function isOfServer(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 401
  return error instanceof Silence || typeof (error as NodeJS.ErrnoException | undefined)?.code === 'string'
}

/** The resourceVersion, or the token of the next page, is too old for the server: list again. */
export const isExpired = (error: unknown): boolean =>
  error instanceof Expired || (error instanceof ApiError && error.status === 410)

/** A watch that fails after it began reports that by a Status object in the stream. */
export function watchError(status: unknown): Error {
  const { code, message } = fields(status)
  if (code === 410) return new Expired()
  return new ApiError(typeof code === 'number' ? code : 500, String(message ?? 'the watch failed'), undefined)
}
