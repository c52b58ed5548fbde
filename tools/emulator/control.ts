/** The emulator's own routes below `/__emulator/`, for whoever runs it as a process: settings, faults, what it received. */
import { Value } from '@sinclair/typebox/value'
import { json, type Answer } from './response.ts'
import type { Emulator } from './emulator.ts'
import { FaultSchema, SettingsSchema } from './settings.ts'

/** @param path below `/__emulator`, with its query */
export function control (emulator: Emulator, method: string, path: string, body: Buffer): Answer {
  const { pathname, searchParams } = new URL(path, emulator.url)
  switch (`${method} ${pathname.slice('/__emulator'.length)}`) {
    case 'GET /requests': return json(200, emulator.recorder.describe(Number(searchParams.get('last') ?? Infinity)))
    case 'DELETE /requests':
      emulator.recorder.received = []
      return json(200, {})
    case 'GET /users': return json(200, [...emulator.api.directory.users.values()].map(({ avatar, ...user }) => ({ ...user, avatarBytes: avatar?.length ?? 0 })))
    case 'DELETE /users':
      emulator.api.directory.clear()
      return json(200, {})
    case 'GET /settings': return json(200, emulator.settings)
    case 'PATCH /settings': return change(emulator, body)
    case 'POST /faults': return order(emulator, body)
    case 'DELETE /faults':
      emulator.faults.clear()
      return json(200, {})
    case 'POST /tokens/revoke':
      emulator.api.revokeTokens()
      return json(200, {})
    default: return json(404, { error: 'the emulator has no such route' })
  }
}

function change (emulator: Emulator, body: Buffer): Answer {
  const wanted = { ...emulator.settings, ...parse(body) }
  if (!Value.Check(SettingsSchema, wanted)) return json(422, { error: 'no such settings' })
  emulator.settings = wanted
  return json(200, wanted)
}

function order (emulator: Emulator, body: Buffer): Answer {
  const fault = parse(body)
  if (!Value.Check(FaultSchema, fault)) return json(422, { error: 'no such fault' })
  emulator.faults.add(fault)
  return json(201, fault)
}

function parse (body: Buffer): object {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
