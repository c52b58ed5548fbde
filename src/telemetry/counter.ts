/**
 * A counter for what every request counts. prom-client makes a text of the labels each time that it counts; this one finds its place by them, and
 * gives what it counted to a counter of prom-client's when somebody asks for it. It does not know what it counts.
 */
import { Counter, type Registry } from 'prom-client'

interface CounterNode {
  count: number
  /** By the value of the next label. */
  readonly children: Map<string, CounterNode>
}

/** It has one place for each combination of labels that was counted, and forgets none: labels must have few values. */
export class LabelledCounter<Label extends string> {
  readonly #labelNames: readonly Label[]
  readonly #root: CounterNode = { count: 0, children: new Map() }

  /** @param name in the registry, where it stands from now on */
  constructor (name: string, help: string, labelNames: readonly Label[], registry: Registry) {
    this.#labelNames = labelNames
    const counter: Counter = new Counter({ name, help, labelNames, registers: [registry], collect: () => this.#flush(counter, this.#root, {}, 0) })
  }

  /** Counts up, or begins at 0. */
  inc (labels: Readonly<Record<Label, string>>, by = 1): void {
    let node = this.#root
    for (const name of this.#labelNames) node = getOrCreateChild(node, labels[name])
    node.count += by
  }

  /** What was counted since it was given last. */
  #flush (counter: Counter, node: CounterNode, labels: Record<string, string>, depth: number): void {
    const name = this.#labelNames[depth]
    if (name === undefined) {
      counter.inc(labels, node.count)
      node.count = 0
    } else for (const [value, child] of node.children) this.#flush(counter, child, { ...labels, [name]: value }, depth + 1)
  }
}

function getOrCreateChild ({ children }: CounterNode, value: string): CounterNode {
  const existing = children.get(value)
  if (existing !== undefined) return existing
  const node = { count: 0, children: new Map() }
  children.set(value, node)
  return node
}
