/**
 * A counter that is cheap enough for every request. prom-client builds a string from the labels on each increment; this
 * counter finds its node in a tree of label values instead, and adds the counts to prom-client's counter on a scrape.
 */
import { Counter, type Registry } from 'prom-client'

interface CounterNode {
  count: number
  /** Child nodes by the value of the next label. */
  readonly children: Map<string, CounterNode>
}

/**
 * Has a node for each combination of label values that was counted, and never removes one: labels must have few values.
 */
export class LabelledCounter<Label extends string> {
  readonly #labelNames: readonly Label[]
  readonly #root: CounterNode = { count: 0, children: new Map() }

  /** Creates the counter and adds it to the registry. */
  constructor (name: string, help: string, labelNames: readonly Label[], registry: Registry) {
    this.#labelNames = labelNames
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => this.#flush(counter, this.#root, {}, 0),
    })
  }

  /** Increments the counter. With 0 it only creates the series, so that it is exported before the first increment. */
  inc (labels: Readonly<Record<Label, string>>, by = 1): void {
    let node = this.#root
    for (const name of this.#labelNames) node = getOrCreateChild(node, labels[name])
    node.count += by
  }

  /** Adds the counts since the last flush to prom-client's counter. */
  #flush (counter: Counter, node: CounterNode, labels: Record<string, string>, depth: number): void {
    const name = this.#labelNames[depth]
    if (name === undefined) {
      counter.inc(labels, node.count)
      node.count = 0
      return
    }
    for (const [value, child] of node.children) this.#flush(counter, child, { ...labels, [name]: value }, depth + 1)
  }
}

function getOrCreateChild ({ children }: CounterNode, value: string): CounterNode {
  const existing = children.get(value)
  if (existing !== undefined) return existing
  const node = { count: 0, children: new Map() }
  children.set(value, node)
  return node
}
