/** A policy's name as one token of BIRD's language, so that it can be typed again: what is none becomes `_`. */
export const symbolOf = (name: string): string => name.replace(/[^A-Za-z0-9_]+/g, '_')
