/** How many forms are being streamed at a time: they hold their connections for as long as their callers take. */
import { Problem } from '../problem.ts'

export class Uploads {
  readonly #max: number
  #underWay = 0

  constructor (max: number) {
    this.#max = max
  }

  /** Takes a place; what comes back gives it up. @throws {Problem} `overloaded` */
  enter (): () => void {
    if (this.#underWay >= this.#max) throw overloaded('Too many uploads are under way.')
    this.#underWay++
    return () => { this.#underWay-- }
  }
}

export const overloaded = (detail: string) => new Problem('overloaded', detail, { headers: { 'retry-after': '1' } })
