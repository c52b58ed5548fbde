/**
 * Marks the connections that close after a response. A request that still arrives on one of them must not be executed,
 * because its response could not be sent (RFC 9112 §9.6).
 */
import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { Problem } from './problem.ts'

const problemsBySocket = new WeakMap<Duplex, Problem>()

const closingProblem = new Problem('bad_request', 'The connection closes after the response to an earlier request.', {
  headers: { connection: 'close' },
})

/** Marks a connection, unless it is marked already. The problem answers requests that still arrive on it. */
export function markClosing (socket: Duplex, problem = closingProblem): void {
  if (!problemsBySocket.has(socket)) problemsBySocket.set(socket, problem)
}

/** Returns the problem of a connection that is marked. */
export function findClosingProblem (socket: Duplex): Problem | undefined {
  return problemsBySocket.get(socket)
}

/** Makes this response the last one of its connection. */
export function closeAfterResponse (reply: FastifyReply): void {
  reply.header('connection', 'close')
  markClosing(reply.request.raw.socket)
}
