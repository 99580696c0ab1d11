/**
 * The name of a policy as one token of BIRD's language, so that it can be typed: characters that no name may have
 * become `_`.
 */
export const symbolOf = (name: string): string => name.replace(/[^A-Za-z0-9_]+/g, '_')
