/**
 * A counter for what every request counts. prom-client makes a text of the labels each time that it counts; this one finds its place by them, and
 * gives what it counted to a counter of prom-client's when somebody asks for it. It does not know what it counts.
 */
import { Counter, type Registry } from 'prom-client'

interface Place {
  count: number
  /** By the value of the next label. */
  readonly next: Map<string, Place>
}

/** It has one place for each combination of labels that was counted, and forgets none: labels must have few values. */
export class Tally<Label extends string> {
  readonly #labelNames: readonly Label[]
  readonly #root: Place = { count: 0, next: new Map() }

  /** @param name in the registry, where it stands from now on */
  constructor (name: string, help: string, labelNames: readonly Label[], registry: Registry) {
    this.#labelNames = labelNames
    const counter: Counter = new Counter({ name, help, labelNames, registers: [registry], collect: () => this.#give(counter, this.#root, {}, 0) })
  }

  /** Counts up, or begins at 0. */
  inc (labels: Readonly<Record<Label, string>>, by = 1): void {
    let place = this.#root
    for (const name of this.#labelNames) place = nextOf(place, labels[name])
    place.count += by
  }

  /** What was counted since it was given last. */
  #give (counter: Counter, place: Place, labels: Record<string, string>, depth: number): void {
    const name = this.#labelNames[depth]
    if (name === undefined) {
      counter.inc(labels, place.count)
      place.count = 0
    } else for (const [value, next] of place.next) this.#give(counter, next, { ...labels, [name]: value }, depth + 1)
  }
}

function nextOf ({ next }: Place, value: string): Place {
  const known = next.get(value)
  if (known !== undefined) return known
  const place = { count: 0, next: new Map() }
  next.set(value, place)
  return place
}
