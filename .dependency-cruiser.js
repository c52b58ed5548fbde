// Layers and their allowed dependencies, as docs/architecture.md describes them. `npm run lint` checks them.
// `from` may import only what its list names, besides its own folder, the shared modules and npm packages.

/** Small modules that every layer except endpoints/ may import. */
const shared = [
  '^src/(http|util|config)/',
  '^src/server/(problem|errors|error-handler|abort|in-flight|request-id|gc-hint|lingering-close|cors-headers)\\.ts$',
]

const layers = {
  'src/util': [],
  'src/http': [],
  'src/server': ['src/telemetry', 'src/endpoints'],
  'src/endpoints': [],
  'src/config': ['src/endpoints'],
  'src/telemetry': ['src/endpoints'],
  'src/storage': ['src/procore', 'src/telemetry', 'src/endpoints'],
  'src/procore': ['src/storage', 'src/telemetry'],
  'src/proxy': ['src/procore', 'src/storage', 'src/telemetry', 'src/endpoints'],
  'src/auth': ['src/storage', 'src/telemetry', 'src/endpoints'],
  'src/health': ['src/telemetry', 'src/endpoints'],
  'src/openapi': ['src/proxy', 'src/telemetry', 'src/endpoints'],
  'src/ui': ['src/health', 'src/telemetry'],
}

/** These compose all layers, or observe the components of all layers by their types. */
const composition = ['^src/server/(process|shutdown)\\.ts$', '^src/telemetry/dependencies\\.ts$']

const layerRules = Object.entries(layers).map(([layer, allowed]) => ({
  name: `layer ${layer}`,
  severity: 'error',
  from: { path: `^${layer}/`, pathNot: composition },
  to: {
    path: '^(src|tools|client|test|bench)/',
    pathNot: [`^${layer}/`, ...(layer === 'src/endpoints' ? [] : shared), ...allowed.map(folder => `^${folder}/`)],
  },
}))

/** Packages that only these folders import, so that each can be replaced in one place. */
const packages = {
  undici: 'src/(http|auth|procore)|tools',
  oauth4webapi: 'src/procore',
  jose: 'src/auth',
  ioredis: 'src/storage',
  pino: 'src/telemetry',
  '@prometheus-io': 'src/telemetry',
  '@opentelemetry': 'src/telemetry',
  '@fastify/multipart': 'src/proxy',
  'csv-parse': 'src/proxy|tools/demo/import',
  '@fastify/rate-limit': 'src/auth',
  'iso-3166': 'src/endpoints|tools/emulator',
}

const packageRules = Object.entries(packages).map(([name, folders]) => ({
  name: `package ${name}`,
  severity: 'error',
  from: { path: '^(src|tools)/', pathNot: `^(${folders})/` },
  to: { path: `^node_modules/${name}/` },
}))

export default {
  forbidden: [
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    ...layerRules,
    ...packageRules,
    {
      name: 'upward imports are types',
      severity: 'error',
      from: { path: '^src/(storage/|telemetry/dependencies\\.ts$)' },
      to: { path: '^src/(app|auth|proxy|procore|server/in-flight)', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'endpoints do no I/O',
      severity: 'error',
      from: { path: '^src/endpoints/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'the emulator is independent',
      severity: 'error',
      from: { path: '^tools/emulator/' },
      to: { path: '^(src|client|test|bench)/' },
    },
    {
      name: 'the client has no dependencies, except for the hook',
      severity: 'error',
      from: { path: '^client/', pathNot: '^client/(serve|react-query)\\.ts$' },
      to: { pathNot: '^client/(?!react-query)' },
    },
    {
      name: 'the hook imports React and React Query only',
      severity: 'error',
      from: { path: '^client/react-query\\.ts$' },
      to: { pathNot: '^(client|node_modules/(@types/)?react|node_modules/@tanstack/react-query)/' },
    },
    {
      name: 'the service imports no tools',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(tools|client|test|bench)/' },
    },
    { name: 'imports resolve', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^client/dist/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
      extensions: ['.ts', '.js', '.d.ts', '.json'],
    },
  },
}
