/** Text in messages: UTF-8 that a peer wrote, and that must not be trusted. */

import { HARMFUL } from '../../base/plain-text.ts'

// The pure rooms are compiled without the host's types; these two are part of every host.
declare const TextEncoder: new () => { encode(text: string): Uint8Array }
declare const TextDecoder: new (
  label: 'utf-8',
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string }

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const encodeUtf8 = (text: string): Uint8Array => encoder.encode(text)

/** Undefined where the bytes are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** The longest beginning of `text` of at most `limit` octets; no character is cut. */
export function encodeUtf8Within(text: string, limit: number): Uint8Array {
  const bytes = encodeUtf8(text)
  if (bytes.length <= limit) return bytes
  let end = limit
  // 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.slice(0, end)
}

/** A quote would end our quotation. */
const UNSAFE = new RegExp(String.raw`[${HARMFUL}"\\]`, 'gu')

/** In quotes, fit for a log line or a terminal. */
export function quote(text: string): string {
  const safe = text.replace(UNSAFE, (character) =>
    character === '"' || character === '\\' ? `\\${character}` : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
  return `"${safe}"`
}
