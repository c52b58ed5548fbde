/** How this service names itself to Procore: product and version for User-Agent (RFC 9110 §10.1.5), pseudonym for Via (§7.6.3). */
import packageJson from '../../package.json' with { type: 'json' }

/** Of this service, as package.json has it: `1.2.3`. */
export const version = packageJson.version
/** The product alone, without a comment of the machine that it runs on. */
export const userAgent = `${packageJson.name}/${version}`
/** The protocol that was received, and who received it. */
export const via = `1.1 ${packageJson.name}`
