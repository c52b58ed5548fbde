/** Parses the Prometheus text format. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

export function parseSamples (text: string): Sample[] {
  return text.split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => {
    const [, name = '', labels = '', value] = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (value === undefined) throw new Error(`not a sample: ${line}`)
    const pairs = labels.matchAll(/(\w+)="([^"]*)"/g)
    const labelEntries = [...pairs].map(([, label = '', text = '']) => [label, text] as const)
    return { name, labels: Object.fromEntries(labelEntries), value: Number(value) }
  })
}

/** Returns the type of each family by its name. */
export function parseFamilies (text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
}
