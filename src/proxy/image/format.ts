/**
 * Why an image is rejected. `fragmented`: its pieces are so small that reading them would take too long. `raw`: it is a
 * camera's raw file, which only looks like a TIFF. `invalid_length`: it declares a length that its format rules out.
 */
export type ImageFault = 'fragmented' | 'raw' | 'invalid_length'

/**
 * Parses one format. It yields the number of pixels of each frame or page that it reads, and undefined while it waits
 * for bytes. It returns at the end of the image, from where all bytes are dropped, or with a fault.
 */
export type ImageParser = Generator<number | undefined, ImageFault | undefined, undefined>
