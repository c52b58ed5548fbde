/**
 * Shows the OpenAPI document with Scalar. Everything that would use another host is off, and access tokens are not
 * stored beyond the page.
 */
Scalar.createApiReference('#reference', {
  url: '/openapi/client.json',
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: '',
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: 'never',
  persistAuth: false,
  defaultHttpClient: { targetKey: 'js', clientKey: 'fetch' },
  // Scalar's own colours have too little contrast (WCAG 1.4.3).
  customCss: `
    .light-mode {
      --scalar-color-3: #666;
      --scalar-color-green: #0b6b3a;
      --scalar-color-blue: #0b5cad;
      --scalar-color-yellow: #7a5400;
      --scalar-color-orange: #a33b00;
    }
    .dark-mode { --scalar-color-3: #9a9a9a; }
  `,
})
