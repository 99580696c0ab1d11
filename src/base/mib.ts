/** `12.3 MiB`: octets for people. */
export const formatMib = (octets: number): string => `${(octets / (1024 * 1024)).toFixed(1)} MiB`
