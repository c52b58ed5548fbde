/** Returns the type of a JWT in lower case and without `application/` (RFC 7515 §4.1.9). */
export const normalizeMediaType = (type: string) => type.toLowerCase().replace(/^application\//, '')
