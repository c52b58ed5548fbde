/** Headers of pages that load everything from here and talk to this service alone. */
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** @param images where pictures may come from besides */
export async function guardPages (pages: FastifyInstance, images: readonly string[] = []): Promise<void> {
  await pages.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ['data:', ...images],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  })
}
