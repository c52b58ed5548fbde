// The house style: neostandard for JavaScript and TypeScript, and no `any`.
import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['node_modules/**', '.tap/**', 'client/openapi.ts'] }),
  {
    files: ['**/*.ts'],
    rules: { '@typescript-eslint/no-explicit-any': 'error' },
  },
  {
    files: ['src/ui/**/*.js'],
    languageOptions: { globals: { EventSource: 'readonly', MutationObserver: 'readonly', SwaggerUIBundle: 'readonly', Node: 'readonly', document: 'readonly' } },
  },
]
