/** Sets the security headers of pages that load all files from this service and send requests only to it. */
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** @param imageSources further sources of images for the content security policy (CSP `img-src`) */
export async function registerSecurityHeaders (
  pages: FastifyInstance,
  imageSources: readonly string[] = []
): Promise<void> {
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
