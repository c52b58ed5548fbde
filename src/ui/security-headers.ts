/** Headers of pages that load everything from here and talk to this service alone. */
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** @param imageSources where pictures may come from besides */
export async function registerSecurityHeaders (pages: FastifyInstance, imageSources: readonly string[] = []): Promise<void> {
  await pages.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ['data:', ...imageSources],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  })
}
