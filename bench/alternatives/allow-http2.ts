/**
 * Loaded into the service by `--import`: it then offers HTTP/2 to Procore. What the service changes on sockets is left
 * out, because Node reads and writes those of HTTP/2 itself.
 */
import { registerHooks } from 'node:module'

registerHooks({
  load: (url, context, nextLoad) => {
    const module = nextLoad(url, context)
    if (!url.endsWith('/src/http/connection-pool.ts')) return module
    const source = String(module.source)
      .replaceAll('allowH2: false', 'allowH2: true')
      .replace(/import \{ (delayWriteErrors|skipInterimResponses) \} from .*/g, 'const $1 = () => {}')
    return { ...module, source }
  },
})
