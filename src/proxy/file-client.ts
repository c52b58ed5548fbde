/** Sends the requests of an endpoint whose response is a file: reads the record that has its URL, then fetches it. */
import { createHash } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { Endpoint, RecordFile } from '../endpoints/endpoint.ts'
import type { FileResponse } from '../procore/file.ts'
import type { UpstreamSuccess } from '../procore/result.ts'
import { isAbortReason } from '../server/abort.ts'
import { Problem } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import { withReadAudit } from './audit.ts'
import type { EndpointResult, FileSuccess, Send } from './context.ts'
import { createRequestBuilder, type ProxyServices } from './endpoint-client.ts'
import { fileTooLargeProblem, FileStream } from './file-stream.ts'
import { getCompanyId } from './validation/parameters.ts'

/** An endpoint whose response is a file. */
export type FileEndpoint = Endpoint & { file: RecordFile }

/** Returns the function that sends the requests of the endpoint. It is audited as the record is. */
export function createFileClient (
  { name, params, file: { record, field } }: FileEndpoint, { procore, audit }: ProxyServices, maxBytes: number
): Send<EndpointResult> {
  const names = Object.keys(params.properties)
  const toRecordRequest = createRequestBuilder(record, names)
  const sendForFile: Send<EndpointResult> = async request => {
    const read = await procore.send(toRecordRequest(request))
    if (read.kind !== 'success') return read
    const { path, query, callerId, usage, record: requestRecord, signal } = request
    try {
      const url = getFileUrl(read, field)
      usage.add('files', 1)
      usage.add('bytes', limits.file.bufferBytes)
      const companyId = getCompanyId(path, query)
      const response = await procore.fetchFile({ url, companyId, callerId, record: requestRecord, signal })
      return await openFile(response, { maxBytes, field, url, record: read })
    } catch (error) {
      if (isAbortReason(error)) return { kind: 'failure', error }
      throw error
    }
  }
  const recordParam = names.find(param => param !== 'company_id') ?? ''
  return record.readsPeople === true ? withReadAudit(sendForFile, name, recordParam, audit) : sendForFile
}

/** @throws {Problem} if the record has no usable URL */
function getFileUrl ({ body }: UpstreamSuccess, field: string): string {
  const record = parseJson(body.toString('utf8'))
  if (!isJsonObject(record)) throw new Problem('procore_bad_response', 'Procore\'s response is not an object.')
  const url = record[field] ?? ''
  if (typeof url !== 'string') throw new Problem('procore_bad_response', `The ${field} in Procore is not a URL.`)
  if (url === '') throw new Problem('not_found', `This record has no ${field}.`)
  return url
}

interface FileSource {
  maxBytes: number
  field: string
  /** The value of the field. */
  url: string
  record: UpstreamSuccess
}

/** Waits for the first bytes of the content. */
async function openFile (
  { headers, body, toAbortReason }: FileResponse, { maxBytes, field, url, record }: FileSource
): Promise<FileSuccess> {
  const content = new FileStream(body, maxBytes, toAbortReason)
  try {
    const contentLength = getContentLength(headers)
    if (contentLength !== undefined && contentLength > maxBytes) throw fileTooLargeProblem(maxBytes)
    if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new Problem('procore_bad_response', 'The file in Procore has a content coding, although none was accepted.')
    }
    const { mediaType, extension } = await content.imageType
    const etag = createEtag(headers, url, record)
    const fileName = `${field}.${extension}`
    return { kind: 'file', status: 200, contentType: mediaType, fileName, contentLength, etag, content }
  } catch (error) {
    content.destroy()
    throw error
  }
}

function getContentLength ({ 'content-length': length }: FileResponse['headers']): number | undefined {
  return length === undefined ? undefined : Number(length)
}

/**
 * Hashes the validators of the host of the file, so that nothing that it chooses is in our header. They are valid for
 * one URL (RFC 9110 §8.8.3), so its path is hashed as well, without the query, where a signature changes. If the host
 * has no validator, the record is one. Weak, because a validator may be weak and a record does not change with each
 * byte.
 */
function createEtag (headers: FileResponse['headers'], url: string, { body }: UpstreamSuccess): string {
  const { etag, 'last-modified': lastModified } = headers
  const hash = createHash('sha256')
  if (etag === undefined && lastModified === undefined) hash.update(body)
  else hash.update(JSON.stringify([url.replace(/[?#].*$/s, ''), etag, lastModified]))
  return `W/"${hash.digest('base64url')}"`
}
