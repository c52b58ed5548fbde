/**
 * Identifies this service to Procore: product and version for User-Agent (RFC 9110 §10.1.5), pseudonym for Via
 * (§7.6.3).
 */
import packageJson from '../../package.json' with { type: 'json' }

/** Version in package.json, for example `1.2.3`. */
export const version = packageJson.version
/** User-Agent: the product only, without a comment that describes the machine. */
export const userAgent = `${packageJson.name}/${version}`
/** Via: the protocol version of the received message, and the pseudonym of the recipient. */
export const via = `1.1 ${packageJson.name}`
