// Mutated images arrive without metadata and look the same. `npm run fuzz` sends many more.
import t from 'tap'
import { fuzzImages } from '../fuzz/fuzz-images.ts'
import { Random } from '../helpers/random.ts'
import { hasExiftool } from '../helpers/read-pictures.ts'
import { avatarPart } from '../helpers/request-builders.ts'
import { janeParts, multipartBody, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

const skip = !hasExiftool && process.env['CI'] !== 'true' && 'exiftool is not installed'
/** `FUZZ_SEED` generates other images. */
const seed = Number(process.env['FUZZ_SEED'] ?? 20)

for (const bufferBytes of ['400', '4194304']) {
  t.test(`images mutated by seed ${seed} arrive without metadata with a buffer of ${bufferBytes} bytes`, {
    skip,
  }, async t => {
    const { url, emulator } = await startService(t, { env: { FORM_BUFFER_BYTES: bufferBytes } })
    let company = 0
    let arrivals = 0
    const findings = await fuzzImages({
      count: 150,
      random: new Random(seed),
      deliver: async image => {
        const users = `/companies/${++company}/users`
        const { status } = await sendMultipart(url + users, multipartBody([...janeParts, avatarPart(image)]))
        const request = emulator.apiRequests.find(({ path, complete }) => complete && path.includes(users))
        const arrived = request?.parts?.at(-1)?.data
        if (arrived === undefined) return { status }
        arrivals++
        return { status, arrived }
      },
    })
    t.strictSame(findings, [])
    t.ok(arrivals > 100, `${arrivals} images arrived`)
  })
}
