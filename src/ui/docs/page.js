/**
 * Shows the OpenAPI document with Swagger UI. Input is sent to this service only, and access tokens are not stored
 * beyond the page.
 */
const reference = document.getElementById('reference')

const unnamedInputs = [
  'tr :is(input:not([type=checkbox]), select, textarea):not([aria-label])',
  '#servers:not([aria-label])',
].join()

// Swagger UI shows the name of an input only as text in the same table row. Screen readers need a label.
const nameInputs = () => {
  for (const input of reference.querySelectorAll(unnamedInputs)) {
    const { propertyName, paramName } = input.closest('tr')?.dataset ?? {}
    input.setAttribute('aria-label', propertyName ?? paramName ?? 'Server')
  }
}
new MutationObserver(nameInputs).observe(reference, { childList: true, subtree: true })

SwaggerUIBundle({
  url: '/openapi.json',
  domNode: reference,
  deepLinking: true,
  // The default layout has a bar in which users could open another document.
  layout: 'BaseLayout',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  // By default Swagger UI sends documents of other hosts to a validation service of Swagger.
  validatorUrl: null,
})
