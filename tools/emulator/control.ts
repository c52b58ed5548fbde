/** Handles the emulator's own routes below `/__emulator/`: settings, faults, and the requests that it received. */
import { Value } from '@sinclair/typebox/value'
import type { EmulatedApi } from './api.ts'
import type { FaultQueue } from './faults.ts'
import type { RequestRecorder } from './recorder.ts'
import { jsonResponse, type EmulatedResponse } from './response.ts'
import { InjectedFaultSchema, SettingsSchema } from './settings.ts'

/** The parts of the emulator that the control routes read and change. */
export interface ControlledEmulator {
  readonly url: string
  readonly api: EmulatedApi
  readonly faults: FaultQueue
  readonly recorder: RequestRecorder
}

const prefix = '/__emulator'

export const isControlPath = (path: string) => path.startsWith(`${prefix}/`)

/** @param path with its query */
export function handleControlRequest (
  emulator: ControlledEmulator, method: string, path: string, body: Buffer
): EmulatedResponse {
  const { pathname, searchParams } = new URL(path, emulator.url)
  switch (`${method} ${pathname.slice(prefix.length)}`) {
    case 'GET /requests':
      return jsonResponse(200, emulator.recorder.serialize(Number(searchParams.get('last') ?? Infinity)))
    case 'DELETE /requests':
      emulator.recorder.requests = []
      return jsonResponse(200, {})
    case 'GET /users': return listUsers(emulator)
    case 'DELETE /users':
      emulator.api.directory.clear()
      return jsonResponse(200, {})
    case 'GET /settings': return jsonResponse(200, emulator.api.settings)
    case 'PATCH /settings': return updateSettings(emulator, body)
    case 'POST /faults': return addFault(emulator, body)
    case 'DELETE /faults':
      emulator.faults.clear()
      return jsonResponse(200, {})
    case 'POST /tokens/revoke':
      emulator.api.revokeAccessTokens()
      return jsonResponse(200, {})
    default: return jsonResponse(404, { error: 'The emulator does not have this route.' })
  }
}

function listUsers ({ api }: ControlledEmulator): EmulatedResponse {
  const users = [...api.directory.users.values()]
  return jsonResponse(200, users.map(({ avatar, ...user }) => ({ ...user, avatarBytes: avatar?.length ?? 0 })))
}

function updateSettings ({ api }: ControlledEmulator, body: Buffer): EmulatedResponse {
  const settings = { ...api.settings, ...parseObject(body) }
  if (!Value.Check(SettingsSchema, settings)) return jsonResponse(422, { error: 'The settings are not valid.' })
  api.settings = settings
  return jsonResponse(200, settings)
}

function addFault ({ faults }: ControlledEmulator, body: Buffer): EmulatedResponse {
  const fault = parseObject(body)
  if (!Value.Check(InjectedFaultSchema, fault)) return jsonResponse(422, { error: 'The fault is not valid.' })
  faults.add(fault)
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
