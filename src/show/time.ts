/** Points in time as text. All times are UTC: a container has no other time zone. */
import { inMillis, inSeconds, type Millis } from '../base/units.ts'

/** `short`: the time of day, or the date where that was long ago. `long`: date and time. */
export interface TimeStyle {
  readonly length: 'short' | 'long'
  readonly digits: 0 | 3 | 6
}

/** Which style is used where; BIRD's `timeformat` names them so. */
export interface TimeStyles {
  readonly base: TimeStyle
  readonly protocol: TimeStyle
  readonly route: TimeStyle
}

/** BIRD's default. */
export const DEFAULT_TIMES: TimeStyles = {
  base: { length: 'long', digits: 3 },
  protocol: { length: 'short', digits: 3 },
  route: { length: 'short', digits: 3 },
}

/** Beyond this a short time is a date. */
const LONG_AGO: Millis = inMillis(20 * 3_600)
const DAY: Millis = inMillis(24 * 3_600)

/** `at` and `now` are milliseconds since 1970. */
export function formatTime(at: Millis, now: Millis, style: TimeStyle): string {
  if (style.length === 'long') return `${dateOf(at)} ${clockOf(at, style.digits)}`
  return now - at < LONG_AGO ? clockOf(at, style.digits) : dateOf(at)
}

/** RFC 3339, to the millisecond. */
export const formatRfc3339 = (at: Millis): string => `${dateOf(at)}T${clockOf(at, 3)}Z`

function clockOf(at: Millis, digits: number): string {
  const ofDay = Math.floor(at - Math.floor(at / DAY) * DAY)
  const seconds = Math.floor(inSeconds(ofDay))
  const hours = Math.floor(seconds / 3600)
  const clock = `${two(hours)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return digits === 0
    ? clock
    : `${clock}.${String(ofDay % 1000)
        .padStart(3, '0')
        .padEnd(digits, '0')}`
}

/**
 * The Gregorian calendar from days since 1970: 400 years are 146,097 days, and a year that begins in March has its
 * leap day at its end, so that months follow from one formula.
 */
function dateOf(at: Millis): string {
  const days = Math.floor(at / DAY) + 719_468
  const era = Math.floor(days / 146_097)
  const ofEra = days - era * 146_097
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  )
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const march = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * march + 2) / 5) + 1
  const month = march < 10 ? march + 3 : march - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
}

const two = (value: number): string => String(value).padStart(2, '0')
