/** Shows the document of this service with Swagger UI; what is typed is sent to this service only, and tokens are forgotten with the page. */
const reference = document.getElementById('reference')

// Inputs stand in rows with their names beside them, which Swagger UI does not tell those who can't see it.
const nameInputs = () => {
  for (const input of reference.querySelectorAll('tr :is(input:not([type=checkbox]), select, textarea):not([aria-label]), #servers:not([aria-label])')) {
    const { propertyName, paramName } = input.closest('tr')?.dataset ?? {}
    input.setAttribute('aria-label', propertyName ?? paramName ?? 'Server')
  }
}
new MutationObserver(nameInputs).observe(reference, { childList: true, subtree: true })

SwaggerUIBundle({
  url: '/openapi.json',
  domNode: reference,
  deepLinking: true,
  // The layout without the bar in which another document could be named.
  layout: 'BaseLayout',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  // By default documents of other hosts are judged by a service of Swagger's.
  validatorUrl: null,
})
