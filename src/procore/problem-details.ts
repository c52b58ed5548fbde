/**
 * Texts for the `detail` of a problem: what a lookup found, or in which phase an exchange timed out or lost its
 * connection.
 */

export const lookupDetails = {
  not_found: 'A lookup found no matching record in Procore.',
  ambiguous: 'A matching record exists in Procore, but it cannot be attributed to this request.',
  inconclusive: 'The lookup in Procore failed, so the outcome could not be determined.',
} as const

export const timeoutDetails = {
  connect: 'Timed out waiting for a connection to Procore.',
  send: 'Procore stopped reading the request.',
  wait: 'Procore did not respond in time.',
  receive: 'Procore did not finish its response in time.',
} as const

export const connectionErrorDetails = {
  connect: 'Could not connect to Procore.',
  send: 'The connection to Procore was lost before the request was complete.',
  wait: 'The connection to Procore was lost before a response arrived.',
} as const
