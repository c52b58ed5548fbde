/**
 * Every limit that no variable changes, with its reason: sizes, counts, waits and retries that a reader must be able to find. It knows nothing
 * of whoever keeps to them.
 */

export const limits = Object.freeze({
  /** Parts of one form, known or not. */
  formMaxParts: 64,
  /** Header lines of one part. */
  partHeaderMaxBytes: 8192,
  /** What may stand before the first and after the last delimiter of a form, each. */
  formMarginMaxBytes: 16_384,
  /** All that a form may hold beside the avatar: texts, headers, delimiters and margins. */
  formTextMaxBytes: 64 * (65_536 + 8192 + 128) + 2 * 16_384,
  /** All bodies together that are read whole or held, of all callers. */
  heldMaxBytes: 268_435_456,
  /** How much of forms streams through between two collections of the young generation. */
  collectEveryBytes: 8_388_608,
  /** Largest answer of Procore's that is read. */
  answerMaxBytes: 8_388_608,
  /** Largest header block, of a caller's request and of Procore's answer. */
  headersMaxBytes: 16_384,
  headersMaxCount: 128,
  /** Longest time for the header block of a caller's request, and how often it is looked at. */
  headersTimeoutMs: 10_000,
  headersCheckMs: 1_000,
  /** How long a connection may go on that was told that its request is not HTTP. */
  farewellMs: 1_000,
  /** Stopping: how long what still waited at the end of the grace may take to be answered, and after how much more the process ends whatever is left. */
  stopAnswersMs: 1_000,
  stopPatienceMs: 5_000,
  /** How long a caller may leave an answer unread, beyond all waits of the request itself. */
  unreadTimeoutMs: 60_000,
  /** Connections of callers; one more is closed at once. */
  connectionsMax: 20_000,
  /** Connections that wait to be accepted; the kernel may allow fewer. */
  listenBacklog: 4_096,
  /** Idle connections of callers; longer than gateways keep theirs, so that the gateway closes first. */
  keepAliveTimeoutMs: 72_000,
  /** Idle connections to Procore; shorter than load balancers keep theirs, so that we close first. */
  upstreamKeepAliveMs: 4_000,
  connectTimeoutMs: 5_000,
  tokenTimeoutMs: 10_000,
  /** A token is renewed when this part of its life is over. */
  tokenRenewAt: 0.8,
  /** Pause between attempts at a token: first, and at most. */
  tokenPauseMs: 500,
  tokenPauseMaxMs: 30_000,
  /** How many tokens that the API refuses may be dropped in a row, and how soon one more. */
  tokenDropsMax: 10,
  tokenDropEveryMs: 1_000,
  /** How often the log says that the credentials are refused. */
  tokenComplaintMs: 60_000,
  /** Keys of the callers' issuer: time for one attempt, pause after one, and when they are renewed without need. */
  keysTimeoutMs: 5_000,
  keysPauseMs: 10_000,
  keysRenewMs: 600_000,
  /** How far the issuer's clock may differ from ours. */
  tokenLeewayMs: 5_000,
  /** How long a verified token is not verified again, and how many are remembered. */
  identityLifetimeMs: 300_000,
  identitiesMax: 20_000,
  subjectMaxLength: 255,
  /** Callers whose rate is counted; the one that called longest ago is forgotten first. */
  callersMax: 20_000,
  /** After so many failures in a row requests to a host are refused at once; then one may try at intervals from the first to the second. */
  breakerFailures: 10,
  breakerIntervalMs: 1_000,
  breakerIntervalMaxMs: 30_000,
  /** After a reset of Procore's allowance: how long one request goes ahead of the others to learn the new count. */
  allowanceProbeMs: 1_000,
  /** How soon a replica asks again while another one finds out what remains. */
  allowanceAskMs: 100,
  /** Requests that may wait for Procore's allowance or for a connection: of all companies, and of one. */
  waitingMax: 1_024,
  waitingOfCompanyMax: 256,
  /** Companies whose allowance is remembered. */
  companiesMax: 10_000,
  /** Companies whose allowance is shown in metrics and on the status page: those with the least left. */
  companiesShown: 50,
  /** Lines of the log that wait to be written. */
  logMaxBytes: 16_777_216,
  /** Lines of the log are handed over together: for so long, or until they have so many characters. */
  logBatchMs: 10,
  logBatchLength: 60_000,
  /** Causes of one error that the log tells. */
  causesMax: 5,
  /** How long SIGUSR2 raises the log to debug. */
  debugForMs: 600_000,
  /** How long the container's health check waits for an answer. */
  healthcheckTimeoutMs: 2_000,
  /** How long a browser may keep the answer to a preflight. */
  preflightSeconds: 600,
  /** The status page: how many watch it at a time, how often each is told, and how many uploads it shows. */
  watchersMax: 20,
  statusEveryMs: 1_000,
  uploadsShown: 20,
  /** The demo's page: how many of the requests that Procore received it shows, and time for asking for them. */
  demoShown: 12,
  demoTimeoutMs: 5_000,
  /** Traces: time for sending some, time for sending the last ones at the end, how many spans may wait, and how often the log says that it fails. */
  tracesTimeoutMs: 5_000,
  tracesCloseMs: 2_000,
  spansWaitingMax: 4_096,
  tracesComplaintMs: 60_000,
  /** Time for looking a user up whose create has an unknown outcome, all of its requests together. */
  lookUpTimeoutMs: 5_000,
  /** How long after the time for its answer is over Procore may still make what a create asked for; what is made later is somebody else's. */
  lookUpLateMs: 60_000,
  /** Creates that are remembered, so that what one made is not told as another's: of how many names, and how many of one name. */
  createsMax: 20_000,
  createsOfNameMax: 16,
  /** Pick-lists that are kept: how many with how many bytes, how much longer than usual while Procore can't be asked, how long it may take to answer before an old list is given, and how soon it is asked again. */
  keptMax: 2_000,
  keptMaxBytes: 67_108_864,
  staleMs: 3_600_000,
  staleAfterMs: 1_000,
  staleRetryMs: 5_000,
  /** How long a form waits for its lists; what comes later is there for the next one. */
  formWaitMs: 5_000,
  /** Idempotency keys: how long one is remembered, how often those that are over are looked for, and how many with how many bytes of answers. */
  keyLifetimeMs: 86_400_000,
  keysExpireMs: 1_000,
  keysMax: 100_000,
  keysMaxBytes: 67_108_864,
  /** The store that replicas share: time for one call and for a connection, calls at a time, and how often it is asked for while it is away. */
  storeTimeoutMs: 100,
  storeConnectTimeoutMs: 2_000,
  storeCallsMax: 2_000,
  storeProbeMs: 1_000,
  /** How often the log may tell that the store is away. */
  storeSayMs: 60_000,
  /** How long a replica may be silent before what it holds counts as lost, and how often it speaks. */
  leaseMs: 30_000,
  leaseRenewMs: 10_000,
  /** Ends of keys that could not be written: how often each is tried again, and how many may wait. */
  settleTriesMax: 60,
  settlesWaitingMax: 2_000,
  /** Places of the allowance that one call gives back. */
  placesGivenBackMax: 1_000,
  /** Largest answer that is kept in the store, sealed. */
  storedMaxBytes: 65_536,
  /** How long one replica has for asking for the token that all will use, and how often the others look. */
  tokenLockMs: 15_000,
  tokenLookMs: 100,
  /** How long what is known of an allowance stays in the store when nothing is heard of it. */
  allowanceLifetimeMs: 7_200_000,
  /** How long an error in writing to Procore is held back, so that an answer that has arrived is read before it. */
  writeErrorHoldMs: 100,
  /** What is read and thrown away of a body that was answered before its end. */
  lingerMaxBytes: 67_108_864,
  lingerTimeoutMs: 10_000,
})
