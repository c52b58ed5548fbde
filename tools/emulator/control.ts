/** The emulator's own routes below `/__emulator/`, for whoever runs it as a process: settings, faults, what it received. */
import { Value } from '@sinclair/typebox/value'
import { jsonResponse, type EmulatedResponse } from './response.ts'
import type { Emulator } from './emulator.ts'
import { InjectedFaultSchema, SettingsSchema } from './settings.ts'

/** @param path below `/__emulator`, with its query */
export function handleControlRequest (emulator: Emulator, method: string, path: string, body: Buffer): EmulatedResponse {
  const { pathname, searchParams } = new URL(path, emulator.url)
  switch (`${method} ${pathname.slice('/__emulator'.length)}`) {
    case 'GET /requests': return jsonResponse(200, emulator.recorder.serialize(Number(searchParams.get('last') ?? Infinity)))
    case 'DELETE /requests':
      emulator.recorder.requests = []
      return jsonResponse(200, {})
    case 'GET /users': return jsonResponse(200, [...emulator.api.directory.users.values()].map(({ avatar, ...user }) => ({ ...user, avatarBytes: avatar?.length ?? 0 })))
    case 'DELETE /users':
      emulator.api.directory.clear()
      return jsonResponse(200, {})
    case 'GET /settings': return jsonResponse(200, emulator.settings)
    case 'PATCH /settings': return updateSettings(emulator, body)
    case 'POST /faults': return addFault(emulator, body)
    case 'DELETE /faults':
      emulator.faults.clear()
      return jsonResponse(200, {})
    case 'POST /tokens/revoke':
      emulator.api.revokeAccessTokens()
      return jsonResponse(200, {})
    default: return jsonResponse(404, { error: 'the emulator has no such route' })
  }
}

function updateSettings (emulator: Emulator, body: Buffer): EmulatedResponse {
  const settings = { ...emulator.settings, ...parseObject(body) }
  if (!Value.Check(SettingsSchema, settings)) return jsonResponse(422, { error: 'no such settings' })
  emulator.settings = settings
  return jsonResponse(200, settings)
}

function addFault (emulator: Emulator, body: Buffer): EmulatedResponse {
  const fault = parseObject(body)
  if (!Value.Check(InjectedFaultSchema, fault)) return jsonResponse(422, { error: 'no such fault' })
  emulator.faults.add(fault)
  return jsonResponse(201, fault)
}

function parseObject (body: Buffer): object {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
