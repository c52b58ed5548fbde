/** How this service names itself to Procore: product and version for User-Agent (RFC 9110 §10.1.5), pseudonym for Via (§7.6.3). */
import packageJson from '../package.json' with { type: 'json' }

export const version = packageJson.version
export const userAgent = `${packageJson.name}/${version}`
export const via = `1.1 ${packageJson.name}`
