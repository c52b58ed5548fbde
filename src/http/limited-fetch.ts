/** Fetches small documents of other hosts: an access token, a key set. */
import { fetch, install, type RequestInit } from 'undici'

/** oauth4webapi needs the global `Headers` and `Response`. Node would load its own copy of undici for them. */
install()

/**
 * Fetches a URL and reads its body, which may have at most `maxBytes` after decoding. A redirect is an error. The
 * content is requested without compression, because a small compressed body can be a very large one.
 */
export async function limitedFetch (
  url: string,
  { headers, ...init }: RequestInit & { headers: Record<string, string> },
  maxBytes: number
): Promise<Response> {
  const allHeaders = { ...headers, 'accept-encoding': 'identity' }
  const response = await fetch(url, { ...init, headers: allHeaders, redirect: 'error' })
  const chunks: Uint8Array[] = []
  let bytes = 0
  const stream: AsyncIterable<Uint8Array> | undefined = response.body ?? undefined
  for await (const chunk of stream ?? []) {
    bytes += chunk.length
    // Leaving the loop cancels the body, which closes the connection.
    if (bytes > maxBytes) throw new Error(`the response body has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  // A status without content, such as 204, must have a null body.
  const body = bytes === 0 ? null : Buffer.concat(chunks)
  return new Response(body, { status: response.status, headers: [...response.headers] })
}
