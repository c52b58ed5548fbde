/**
 * Checks whether the credentials reach the companies that callers may access. Procore rejects every request for a
 * company in which no administrator has installed the app, which is the most frequent fault of a new installation.
 */
import { limits } from '../config/limits.ts'
import type { DependencyStatus } from '../telemetry/dependency-status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import { isLastPage } from './page-links.ts'
import type { UpstreamSender } from './send.ts'

const companiesPath = `/rest/v1.0/companies?per_page=${limits.companies.pageItems}`

/** Requests the list of companies at intervals. A list that cannot be read, or that has more pages, shows nothing. */
export class ConnectedCompanies {
  readonly #sender: UpstreamSender
  readonly #companyIds: ReadonlySet<number>
  readonly #status: DependencyStatus
  readonly #log: Logger
  #missing: readonly number[] = []
  #timer: NodeJS.Timeout | undefined

  /**
   * @param companyIds the companies that callers may access; empty: any, so that there is nothing to check
   * @param status receives the warning for the operator
   */
  constructor (sender: UpstreamSender, companyIds: ReadonlySet<number>, status: DependencyStatus, log: Logger) {
    this.#sender = sender
    this.#companyIds = companyIds
    this.#status = status
    this.#log = log
  }

  /** Companies that callers may access, but that the credentials did not reach at the last check. */
  get missing (): readonly number[] {
    return this.#missing
  }

  /** Checks now and then at intervals until `stop`. */
  start (): void {
    if (this.#companyIds.size > 0) this.#checkAfter(0)
  }

  stop (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #checkAfter (delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#check().then(isKnown => {
        const { intervalMs, retryMs } = limits.companies
        if (this.#timer !== undefined) this.#checkAfter(isKnown ? intervalMs : retryMs)
      })
    }, delayMs).unref()
  }

  /** Returns whether the list could be read. */
  async #check (): Promise<boolean> {
    const response = await this.#sender.request(companiesPath)
    const list: unknown = response?.status === 200 ? parseJson(response.body?.toString('utf8') ?? '') : undefined
    if (response === undefined || !Array.isArray(list) || !isLastPage(response.headers, list.length)) return false
    const connected = new Set(list.filter(isJsonObject).map(({ id }) => id))
    this.#report([...this.#companyIds].filter(id => !connected.has(id)))
    return true
  }

  #report (missing: readonly number[]): void {
    const isChanged = missing.join() !== this.#missing.join()
    this.#missing = missing
    this.#status.warning = missing.length === 0 ? undefined : missingWarning(missing)
    if (!isChanged) return
    if (missing.length > 0) this.#log.error({ companyIds: missing.slice(0, shownMax) }, 'the app is not connected')
    else this.#log.info({}, 'the app is connected to all companies')
  }
}

const shownMax = 20

function missingWarning (missing: readonly number[]): string {
  const shown = missing.slice(0, shownMax).join(', ')
  const rest = missing.length > shownMax ? ` and ${missing.length - shownMax} more` : ''
  return `Procore does not list these companies for the app: ${shown}${rest}. Install the app in them.`
}
