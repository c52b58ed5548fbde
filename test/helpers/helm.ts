/** Renders the Helm chart by the real `helm`, which needs no cluster for it. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { chartPath } from '../../tools/scripts/kubernetes.ts'

export const hasHelm = spawnSync('helm', ['version']).status === 0

/** Values of a chart. */
export type Values = Record<string, unknown>

export interface HelmResult {
  stdout: string
  /** Empty if helm succeeded. */
  error: string
}

/** Runs a command of helm on the chart. @param values are merged over those of the file, relative to the chart */
export function runHelm (command: readonly string[], file: string | undefined, values: Values = {}): HelmResult {
  const files = file === undefined ? [] : ['--values', join(chartPath, file)]
  const { status, stdout, stderr } = spawnSync('helm', [...command, chartPath, ...files, '--values', '-'], {
    encoding: 'utf8', input: JSON.stringify(values),
  })
  return { stdout, error: status === 0 ? '' : stderr }
}

/** Renders the chart as the release `bff`. @throws if helm refuses the values */
export function renderChart (file: string | undefined, values?: Values): unknown[] {
  const { stdout, error } = runHelm(['template', 'bff'], file, values)
  if (error !== '') throw new Error(error)
  return parseManifests(stdout)
}

/** Parses manifests as Kubernetes does, by YAML 1.1: a plain `on` is a boolean. */
export function parseManifests (text: string): unknown[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap(document => {
    const manifest: unknown = document.toJS()
    return manifest === null ? [] : [manifest]
  })
}
