/** Errors of the operating system as one line of text, in the words that other tools use. */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAFNOSUPPORT: 'Address family not supported',
  ECONNABORTED: 'Connection aborted',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EEXIST: 'File exists',
  EHOSTDOWN: 'Host is down',
  EHOSTUNREACH: 'No route to host',
  EINVAL: 'Invalid argument',
  EMFILE: 'Too many open files',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ENOBUFS: 'No buffer space available',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  ENOTSUP: 'Operation not supported',
  ENOTFOUND: 'Name not found',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  ESRCH: 'No such process',
  ETIMEDOUT: 'Connection timed out',
}

/** The text for an error of a system call, or the message of any other error. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, errno } = error as NodeJS.ErrnoException
  const known = code === undefined ? undefined : TEXTS[code]
  if (known !== undefined) return known
  if (isOfSystem(errno, code)) return capital(getSystemErrorMessage(errno))
  if (error instanceof AggregateError && error.errors.length > 0) return errorText(error.errors[0])
  return error.message === '' ? (code ?? error.name) : (error.message.split('\n')[0] ?? error.message)
}

/** zlib numbers its errors too. */
const isOfSystem = (errno: number | undefined, code: string | undefined): errno is number =>
  errno !== undefined && errno < 0 && getSystemErrorName(errno) === code

/** There is no such file. */
export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** The text for an error number of libc. */
export const errnoText = (number: number): string =>
  TEXTS[getSystemErrorName(-number)] ?? capital(getSystemErrorMessage(-number))

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
