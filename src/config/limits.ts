/** Limits that no environment variable changes, by subsystem: sizes, counts, timeouts and retries. */
import { formPartsMax } from '../endpoints/fields.ts'

/** Each name ends with its unit; a count ends with `Max`. */
export const limits = freezeGroups({
  server: {
    /** Header block of a caller's request, and of a response of Procore. */
    headersMaxBytes: 16_384,
    headersMaxCount: 128,
    /** Time for the header block of a request, and the interval at which Node checks it. */
    headersTimeoutMs: 10_000,
    headersCheckIntervalMs: 1_000,
    /** After a response to bytes that are not HTTP, the connection is closed at the latest after this time. */
    errorCloseDelayMs: 1_000,
    /** A caller has this long to read a response, beyond all waits of the request itself. */
    responseReadTimeoutMs: 60_000,
    /** Connections of callers; one more is closed at once. */
    connectionsMax: 20_000,
    /** Connections that wait to be accepted; the kernel may allow fewer. */
    listenBacklog: 4_096,
    /**
     * When the grace period of a shutdown is over: time to answer what is still pending, then time until the process
     * exits.
     */
    shutdownAbortMs: 1_000,
    shutdownHardLimitMs: 5_000,
    /**
     * After a response that came before the end of the request body: how much of the rest is read and discarded (RFC
     * 9112 §9.6).
     */
    lingerMaxBytes: 67_108_864,
    lingerTimeoutMs: 10_000,
    /** Minor garbage collections that are requested after the start, one in each interval. */
    startMinorGcMax: 5,
    startMinorGcIntervalMs: 1_000,
    /** The container's health check waits this long for `/livez`. */
    healthcheckTimeoutMs: 2_000,
  },
  validation: {
    /** Errors in one response, and in one to a list of records. */
    errorsMax: 50,
    listErrorsMax: 200,
  },
  cors: {
    /** A browser may cache the response to a preflight for this time. */
    preflightSeconds: 600,
  },
  jwt: {
    /** The issuer's clock may differ from ours by this much. */
    clockToleranceMs: 5_000,
    /** A verified JWT is not verified again for this time. */
    cacheTtlMs: 300_000,
    cacheMax: 20_000,
    subjectMaxLength: 255,
    /** JWTs of one address that fail the verification in a minute, and addresses that are counted. */
    failuresPerMinute: 300,
    addressesMax: 20_000,
  },
  jwks: {
    /** Time for one download of the issuer's keys, its size, and the pause after it. */
    timeoutMs: 5_000,
    maxBytes: 1_048_576,
    cooldownMs: 10_000,
    /** The keys are downloaded again after this time. A revoked key is accepted until then. */
    renewMs: 300_000,
    /** While the issuer is down, the last keys are used for this time. */
    maxAgeMs: 86_400_000,
  },
  callerRate: {
    /** Callers whose requests are counted; the one that called longest ago is evicted first. */
    callersMax: 20_000,
  },
  usage: {
    /** Bytes of bodies and of responses in memory, of all callers together. */
    maxBytes: 268_435_456,
    /** One caller may use this part of them, but always enough for the largest body. */
    callerDivisor: 8,
    /** Bodies of one caller that are being read. */
    bodiesPerCallerMax: 32,
    /** Files that are being fetched, for one caller and in total. */
    filesPerCallerMax: 64,
    filesMax: 256,
  },
  body: {
    /**
     * A body must arrive at this rate, on average over the window. Only time in which the service waits for the caller
     * counts.
     */
    minBytesPerSecond: 1_024,
    rateWindowMs: 30_000,
    /**
     * A minor garbage collection is requested each time this many bytes were streamed. Must be more than what many
     * uploads read in one turn of the event loop, because a chunk that survives two collections is freed only by a full
     * one (docs/decisions/gc-hint.md).
     */
    minorGcEveryBytes: 16_777_216,
  },
  response: {
    /** A larger body is sent in slices of this size, so that its progress is known. */
    sliceBytes: 65_536,
    /**
     * A caller that holds more than half of its share of the memory must take a response at this rate, on average over
     * the window.
     */
    minBytesPerSecond: 16_384,
    rateWindowMs: 30_000,
  },
  multipart: {
    /** Parts of one form, with known or unknown names. */
    partsMax: formPartsMax,
    /** Images that one form may have by its description. */
    imagesMax: 8,
    /** Header block of one part. */
    partHeadersMaxBytes: 8_192,
    /** Bytes before the first and after the last delimiter, each (RFC 2046 §5.1.1: preamble and epilogue). */
    preambleMaxBytes: 16_384,
    /** Everything in a form except its images: 64 texts with their headers and delimiters, preamble and epilogue. */
    textMaxBytes: 64 * (65_536 + 8_192 + 128) + 2 * 16_384,
  },
  importFile: {
    /** Header of a CSV file, and the errors in it that are reported. */
    headerMaxBytes: 65_536,
    headerErrorsMax: 50,
    /** Columns of a CSV file. */
    columnsMax: 512,
    /** Rows are parsed in slices of this size, so that few of them are in memory. */
    sliceBytes: 65_536,
  },
  idempotency: {
    /** An idempotency key is remembered for this time; expired ones are removed at this interval. */
    ttlMs: 86_400_000,
    sweepMs: 1_000,
    keysMax: 100_000,
    /** Bytes of the responses that are remembered with the keys. */
    maxBytes: 67_108_864,
    /** The remembered response to a sync. Encrypted, it is within `redis.recordMaxBytes`. */
    rowsMaxBytes: 54_000,
  },
  imports: {
    /** Rows and bytes of one file, and the time of one import. */
    rowsMax: 100_000,
    maxBytes: 67_108_864,
    timeoutMs: 3_600_000,
    /** Bytes of one row. */
    rowMaxBytes: 262_144,
    /** Rows of one request to Procore, and characters of their JSON. Procore accepts 1,000 rows. */
    batchRowsMax: 200,
    batchMaxLength: 1_048_576,
    /** Bytes of rows that wait to be sent. The upload is paused while there are more. */
    queueMaxBytes: 16_777_216,
    /** A full garbage collection is requested each time this many rows were read or sent. */
    majorGcEveryRows: 25_000,
    /** Characters of errors that wait to be read by the caller. The errors of further rows are left out. */
    errorsMaxLength: 16_777_216,
    /** A line about the progress is written at this interval while there are no others. */
    progressIntervalMs: 5_000,
    /** Longest wait of a batch for the rate limit. An import that would wait longer ends, and can be resumed. */
    rateLimitMaxWaitMs: 300_000,
    /** A batch whose response was lost may be processed for this time after its time-out. */
    slackMs: 5_000,
    /** The directory is read again after this time, then after twice as long, and so on, until then. */
    lookupIntervalMs: 2_000,
    /** Times that the rows of one batch are sent, if their responses are lost. */
    attemptsMax: 3,
    /** People of a directory that an import can compare its rows with. */
    directoryMax: 200_000,
    /** Characters of the results of one batch that are stored. The errors of a larger one are left out. */
    storedBatchMaxLength: 65_536,
    /** Imports whose progress is remembered without Redis, and the bytes of it. */
    storedMax: 100,
    storedMaxBytes: 33_554_432,
  },
  responseCache: {
    entriesMax: 2_000,
    maxBytes: 67_108_864,
    /** A list is served for this much longer while Procore fails (RFC 5861 §4). */
    staleIfErrorMs: 3_600_000,
    /** A cached list is served when Procore has not responded within this time. */
    staleWhileSlowMs: 1_000,
    /** After a failure, the next request to Procore is sent at the earliest after this time. */
    retryMs: 5_000,
  },
  userForm: {
    /** The form metadata waits this long for its lists. A list that arrives later is cached for the next request. */
    waitMs: 5_000,
    /** Bytes of serialized forms, and of the responses that they were built from. */
    builtMaxBytes: 33_554_432,
  },
  upstream: {
    connectTimeoutMs: 5_000,
    /** Idle time of a connection to Procore. It is shorter than load balancers use, so that this side closes first. */
    keepAliveMs: 4_000,
    responseMaxBytes: 8_388_608,
    /** A longer `id` of a record is not logged. */
    recordIdMaxLength: 64,
    /** A success up to this size is parsed; of a larger one only the first and the last character are checked. */
    parsedMaxBytes: 1_048_576,
    /** The body of a rejection is reported up to this size and this number of nested levels. */
    rejectionMaxBytes: 65_536,
    rejectionLevelsMax: 16,
    /** Only the start of a longer `Link` header is parsed. */
    linkMaxLength: 8_192,
    /** A write error is delayed by this time, so that a response that has already arrived is read first. */
    writeErrorDelayMs: 100,
  },
  file: {
    /** Requests for one file: the first one, and one for each redirect. */
    requestsMax: 5,
    urlMaxLength: 8_192,
    /** Time from the first request until the caller has received the file. */
    timeoutMs: 60_000,
    /** Wait for the head of a response, and pause in its body. */
    idleTimeoutMs: 10_000,
    /** Largest file, unless `AVATAR_MAX_BYTES` is more. */
    maxBytes: 67_108_864,
    /** Bytes of one file in memory: the buffers of the stream and of its two connections. */
    bufferBytes: 262_144,
    /** Connections to one host, and hosts. */
    connectionsMax: 64,
    originsMax: 64,
    /** A caller may cache a file for this time. */
    cacheSeconds: 300,
  },
  accessToken: {
    /** Time for one request to the login host, and bytes of its response after decoding. */
    timeoutMs: 10_000,
    responseMaxBytes: 65_536,
    /** An access token is renewed when this share of its lifetime is over. */
    renewAt: 0.8,
    /** Pause after the first failed request, doubled up to the second value. */
    backoffMs: 500,
    backoffMaxMs: 30_000,
    /** Longest wait that the login host can ask for. Then one request probes it. */
    waitMaxMs: 3_600_000,
    /**
     * Tokens that the API rejected: how many may be discarded in a row, and the interval at which one more is allowed.
     */
    invalidationBurst: 10,
    invalidationRefillMs: 1_000,
    /** Interval of the warning that the credentials are rejected. */
    warnIntervalMs: 60_000,
    /** With Redis: one replica has this long to fetch the token, and the others poll for it. */
    lockMs: 15_000,
    pollMs: 100,
  },
  breaker: {
    /**
     * Consecutive failures that open the breaker. The interval between the probes of this service then grows from the
     * first to the second value.
     */
    failures: 10,
    intervalMs: 1_000,
    intervalMaxMs: 30_000,
  },
  rateLimit: {
    /**
     * After a reset one request is sent ahead of the others to learn the new remainder; the others wait at most this
     * long.
     */
    probeMs: 1_000,
    /** Waiting requests ask again at this interval while the response to a request in flight may let them pass. */
    pollMs: 100,
    /** Longest wait that a header of Procore can ask for. */
    waitMaxMs: 3_600_000,
    /** Windows of one limit. Procore has two; a later reset adds another one. */
    windowsMax: 8,
    /** Share of a window that one caller may use if other callers were active in it. */
    callerShare: 0.25,
    /** Shares of a window that requests may not use, by what they are for. They are left for single creates. */
    reservedShares: { change: 0, read: 0.2, import: 1 / 3 },
    /** Requests of an hour that are assumed to be allowed until Procore reports the hour. */
    assumedHourLimit: 3_600,
    /** Share of an hour at which a warning is logged. */
    warnShare: 0.8,
    /** Callers of one limit whose requests are counted; the one with the fewest is evicted first. */
    countedCallersMax: 64,
    /** Requests that wait for Procore's rate limit or for a connection. */
    queueMax: 1_024,
    queuePerCompanyMax: 256,
    companiesMax: 10_000,
    /** Companies shown in metrics and on the status page: those with the least remaining requests. */
    companiesShown: 50,
    /** With Redis: the state of a company's rate limit expires after this time without an update. */
    redisTtlMs: 7_200_000,
    /** With Redis: attempts to replace the state while other replicas replace it. */
    replaceAttemptsMax: 10,
  },
  leases: {
    /** With Redis: share of a limit that all replicas together may lease in advance, and the most requests. */
    share: 0.05,
    permitsMax: 1_000,
    /** A replica takes no smaller lease on permits of Procore's rate limit, because it would save no calls. */
    permitsMin: 4,
    /** Share at the end of a limit of which nothing is leased, so that replicas share it request by request. */
    exactShare: 1 / 3,
    /** A replica polls for recalls at this interval. It uses no lease if the latest poll was longer ago than this. */
    pollMs: 400,
    validMs: 1_000,
    /** Recalls that Redis stores, and that one poll reads. */
    recallsMax: 1_000,
    /** The clock of Redis was set if its time differs by more than this from the assumed one. */
    clockToleranceMs: 1_000,
  },
  lookup: {
    /** All requests of one lookup together. */
    timeoutMs: 5_000,
    /**
     * Procore may still finish a create for this long after its response timed out; a record made later is not
     * attributed to it.
     */
    slackMs: 60_000,
    /** Items that are searched for an existing record: those of the first page of a list. */
    listItemsMax: 1_000,
    /** The search for the record because of which a create was rejected, which its caller waits for. */
    existingTimeoutMs: 3_000,
    existingRateLimitMaxWaitMs: 250,
  },
  companies: {
    /** The companies that the credentials reach are listed at this interval, or after this time if it failed. */
    intervalMs: 600_000,
    retryMs: 60_000,
    /** Companies of one page; with more, it is not known which ones the credentials do not reach. */
    pageItems: 1_000,
    /** Pages of the list that callers read; a longer list is not read. */
    pagesMax: 20,
  },
  directory: {
    /** Users of one page: with 8 KiB for each, a page is within `upstream.responseMaxBytes`. */
    pageItems: 1_000,
    /** Pages of one list; a longer list is not read. */
    pagesMax: 200,
  },
  recentCreates: {
    /** E-mail addresses whose recent creates are remembered, and creates of one address. */
    emailsMax: 20_000,
    perEmailMax: 16,
    /** With Redis: creates are shared with the other replicas after this time, or as soon as there are so many. */
    shareMs: 50,
    batchMax: 100,
  },
  redis: {
    timeoutMs: 100,
    connectTimeoutMs: 2_000,
    /** Calls in flight. */
    callsMax: 2_000,
    /** After the first call that times out, the connection is replaced; the call waits this long to be repeated. */
    reconnectTimeoutMs: 500,
    /** A connection without calls is kept in the tables of a NAT by a PING at this interval. */
    idlePingMs: 10_000,
    /** Interval of the probes while Redis is down. */
    probeMs: 1_000,
    warnIntervalMs: 60_000,
    /**
     * A lease of a replica that is silent for this time is lost. A replica renews its leases at this interval, and
     * gives back permits that it did not use.
     */
    leaseMs: 30_000,
    leaseRenewMs: 10_000,
    /** Records that could not be written: attempts for each, and how many may wait. */
    retriesMax: 60,
    retryQueueMax: 2_000,
    /** Encrypted record of one idempotency key: a rejection of the largest size fits. */
    recordMaxBytes: 98_304,
  },
  log: {
    /** Characters of lines that wait to be written. The audit trail has a buffer of its own. */
    maxLength: 16_777_216,
    auditMaxLength: 8_388_608,
    /** Part of the buffer of the audit trail that each create or change in flight reserves for its line. */
    auditLineLength: 3_072,
    /** Pause before the next write to a reader that is slow, and the longest wait for it at the exit. */
    retryMs: 10,
    exitMs: 500,
    /** Lines are written in batches: after this time, or when they have this many characters. */
    batchMs: 10,
    batchLength: 60_000,
    /** Lines about requests whose caller is not authenticated: so many at once, then one in each interval. */
    unauthenticatedBurst: 100,
    unauthenticatedIntervalMs: 100,
    /** Nested causes of one error that are logged. */
    causesMax: 5,
    /** SIGUSR2 sets the log level to `debug` for this time. */
    debugMs: 600_000,
  },
  tracing: {
    timeoutMs: 5_000,
    /** Time to export the last spans at shutdown. */
    closeTimeoutMs: 2_000,
    queueMax: 4_096,
    warnIntervalMs: 60_000,
  },
  statusPage: {
    clientsMax: 20,
    intervalMs: 1_000,
    uploadsShown: 20,
  },
} as const)

function freezeGroups<T extends Record<string, object>> (groups: T): T {
  for (const group of Object.values(groups)) Object.freeze(group)
  return Object.freeze(groups)
}
