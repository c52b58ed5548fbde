/** Sets the security headers of pages that load all files from this service and send requests only to it. */
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** @param sources further sources of the content security policy: of images (`img-src`) and styles (`style-src`) */
export async function registerSecurityHeaders (
  pages: FastifyInstance,
  { imageSources = [], styleSources = [] }: { imageSources?: readonly string[], styleSources?: readonly string[] } = {}
): Promise<void> {
  await pages.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", ...styleSources],
        imgSrc: ['data:', ...imageSources],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  })
}
