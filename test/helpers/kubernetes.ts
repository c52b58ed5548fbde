/**
 * Validates manifests against the types of Kubernetes and of the operators. The generated validators check values, and
 * the compiler checks that no field is unknown.
 */
import { ExternalSecret } from '@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret'
import { HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute'
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler'
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Service } from 'kubernetes-models/v1/Service'
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount'
import ts from 'typescript'
import { root } from './spawn-program.ts'

/** Whether a value is a manifest of the kind, and of the version that is imported above. */
export const is = {
  configMap: ConfigMap.is,
  deployment: Deployment.is,
  horizontalPodAutoscaler: HorizontalPodAutoscaler.is,
  httpRoute: HTTPRoute.is,
  ingress: Ingress.is,
  networkPolicy: NetworkPolicy.is,
  podDisruptionBudget: PodDisruptionBudget.is,
  prometheusRule: PrometheusRule.is,
  service: Service.is,
  serviceMonitor: ServiceMonitor.is,
}

interface ManifestType {
  is: (manifest: unknown) => boolean
  /** Returns the message of the generated validator; empty: valid. */
  validate: (manifest: unknown) => string
  /** The TypeScript type. */
  type: string
}

interface ModelClass<T> {
  new (data: T): { validate (): void }
  is: (value: unknown) => value is T
  kind: string
}

/** @param module exports the class and its interface */
function defineType<T> (Model: ModelClass<T>, module: string): ManifestType {
  return {
    is: Model.is,
    type: `import('${module}/${Model.kind}').I${Model.kind}`,
    validate: manifest => {
      if (!Model.is(manifest)) return `is no ${Model.kind}`
      try {
        new Model(manifest).validate()
        return ''
      } catch (error) {
        return String(error)
      }
    },
  }
}

const operator = '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
const types = [
  defineType(ConfigMap, 'kubernetes-models/v1'),
  defineType(Deployment, 'kubernetes-models/apps/v1'),
  defineType(ExternalSecret, '@kubernetes-models/external-secrets/external-secrets.io/v1'),
  defineType(HorizontalPodAutoscaler, 'kubernetes-models/autoscaling/v2'),
  defineType(HTTPRoute, '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1'),
  defineType(Ingress, 'kubernetes-models/networking.k8s.io/v1'),
  defineType(NetworkPolicy, 'kubernetes-models/networking.k8s.io/v1'),
  defineType(PodDisruptionBudget, 'kubernetes-models/policy/v1'),
  defineType(PrometheusRule, operator),
  defineType(Service, 'kubernetes-models/v1'),
  defineType(ServiceAccount, 'kubernetes-models/v1'),
  defineType(ServiceMonitor, operator),
]

/** Returns an issue for each value that its type does not allow, and for each unknown field. */
export function findManifestIssues (manifests: readonly unknown[]): string[] {
  const typed = manifests.map(manifest => ({ manifest, type: types.find(({ is }) => is(manifest)) }))
  const invalid = typed.map(({ manifest, type }) => {
    return type === undefined ? `unknown type: ${JSON.stringify(manifest).slice(0, 80)}` : type.validate(manifest)
  })
  const constants = typed.flatMap(({ manifest, type }) => {
    return type === undefined ? [] : `export const _: ${type.type} = ${JSON.stringify(manifest)}`
  })
  return [...invalid.filter(issue => issue !== ''), ...compile(constants)]
}

/** Compiles each statement as a module of its own. */
function compile (statements: readonly string[]): string[] {
  const sources = new Map(statements.map((statement, index) => [`${root}test/manifest-${index}.ts`, statement]))
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, strict: true, skipLibCheck: true, types: [],
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile } = host
  host.fileExists = path => sources.has(path) || fileExists(path)
  host.readFile = path => sources.get(path) ?? readFile(path)
  host.getSourceFile = (path, version) => {
    const text = host.readFile(path)
    return text === undefined ? undefined : ts.createSourceFile(path, text, version)
  }
  const program = ts.createProgram({ rootNames: [...sources.keys()], options, host })
  return [...program.getSyntacticDiagnostics(), ...program.getSemanticDiagnostics()].map(({ messageText }) => {
    return ts.flattenDiagnosticMessageText(messageText, '\n')
  })
}
