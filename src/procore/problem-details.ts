export const lookupDetails = {
  notFound: 'Procore was looked through, and has no such record.',
  ambiguous: 'Procore was looked through, and has a record of that name, but none that this request is sure to have made.',
  inconclusive: 'Procore could not be looked through.',
} as const

export const timeoutDetails = {
  connect: 'No connection to Procore came free in time.',
  send: 'Procore stopped reading the request.',
  wait: 'Procore did not answer in time.',
  receive: 'The answer of Procore did not end in time.',
} as const

export const connectionErrorDetails = {
  connect: 'No connection to Procore could be made.',
  send: 'The connection to Procore was lost before the request was complete.',
  wait: 'The connection to Procore was lost before any answer.',
} as const
