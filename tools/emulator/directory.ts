/** The emulator's company directory: which users there are, and what Procore would say to a new one. */
import { iso31661, iso31662 } from 'iso-3166'
import { vendorName } from './catalog.ts'
import type { Settings } from './settings.ts'

/** What Rails makes of a body, whichever way it came: values, and the avatar's bytes. */
export interface Wish {
  values: Record<string, unknown>
  avatar?: Buffer
}

/** A user as the emulator holds it; what a list or a single user shows of it is made by `present`. */
export interface User {
  id: number
  companyId: number
  values: Record<string, unknown>
  avatar: Buffer | undefined
  createdAt: string
  updatedAt: string
  /** How often it was invited. */
  invitations: number
}

/** Messages by field: Procore's shape 1. */
export type Errors = Record<string, string[]>

const kinds: Record<string, 'text' | 'integer' | 'boolean'> = {
  last_name: 'text',
  email_address: 'text',
  first_name: 'text',
  job_title: 'text',
  address: 'text',
  city: 'text',
  zip: 'text',
  initials: 'text',
  notes: 'text',
  business_phone: 'text',
  mobile_phone: 'text',
  fax_number: 'text',
  business_phone_extension: 'integer',
  email_signature: 'text',
  is_active: 'boolean',
  is_employee: 'boolean',
  employee_id: 'text',
  country_code: 'text',
  state_code: 'text',
  origin_id: 'text',
  origin_data: 'text',
  vendor_id: 'integer',
  work_classification_id: 'integer',
  default_permission_template_id: 'integer',
  company_permission_template_id: 'integer',
  bid_contact: 'boolean',
  add_to_new_projects: 'boolean',
}

const usersMax = 100_000
const avatarsMaxBytes = 536_870_912

/** All users of all companies, with their avatars, within `usersMax` and `avatarsMaxBytes`. */
export class Directory {
  users = new Map<number, User>()
  #nextId = 381_006
  #avatarBytes = 0

  /** Reads what it knows and drops the rest without a word, as Procore does. */
  read (record: Record<string, unknown>): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    for (const [name, kind] of Object.entries(kinds)) {
      if (record[name] !== undefined) values[name] = cast(kind, record[name])
    }
    return values
  }

  /** What Procore would say against a new user; nothing is stored. @param configurable whether the company's own required fields count */
  judge (companyId: number, { values, avatar }: Wish, settings: Settings, configurable: boolean): Errors {
    const errors: Errors = {}
    const required = ['last_name', 'email_address', ...(configurable ? settings.requiredFields : [])]
    for (const name of required) {
      if (String(values[name] ?? '').trim() === '') errors[name] = ["can't be blank"]
    }
    judgeCodes(values, errors)
    if (values['bid_contact'] === true && values['vendor_id'] === undefined) errors['vendor_id'] = ["can't be blank"]
    if (avatar !== undefined && !isImage(avatar)) errors['avatar'] = ['is not an image']
    if (settings.takenEmail === 422 && this.isTaken(companyId, values['email_address'])) errors['email_address'] = ['has already been taken']
    return errors
  }

  /** What is said of a user as it would be. */
  judgeChange (user: User, wish: Wish, settings: Settings, configurable: boolean): Errors {
    const others: Settings = { ...settings, takenEmail: 409 }
    const errors = this.judge(user.companyId, { ...wish, values: { ...user.values, ...wish.values } }, others, configurable)
    const email = wish.values['email_address']
    if (email !== undefined && this.list(user.companyId).some(other => other !== user && isSame(other, email))) errors['email_address'] = ['has already been taken']
    return errors
  }

  /** An avatar replaces the one that was there. */
  change (user: User, { values, avatar }: Wish, now: Date): void {
    Object.assign(user.values, values)
    user.avatar = avatar ?? user.avatar
    user.updatedAt = inSeconds(now)
  }

  /** E-mail addresses are compared without regard to case. */
  isTaken (companyId: number, email: unknown): boolean {
    return this.list(companyId).some(user => isSame(user, email))
  }

  /** @throws {RangeError} when the emulator is full */
  add (companyId: number, { values, avatar }: Wish, now: Date): User {
    this.#avatarBytes += avatar?.length ?? 0
    if (this.users.size >= usersMax || this.#avatarBytes > avatarsMaxBytes) throw new RangeError('the emulator is full')
    const user: User = { id: this.#nextId++, companyId, values, avatar, createdAt: inSeconds(now), updatedAt: inSeconds(now), invitations: 0 }
    this.users.set(user.id, user)
    return user
  }

  /** Of all companies; ids are not given again. */
  clear (): void {
    this.users.clear()
    this.#avatarBytes = 0
  }

  /** Of one company, the oldest first. */
  list (companyId: number): User[] {
    return [...this.users.values()].filter(user => user.companyId === companyId)
  }
}

function isSame (user: User, email: unknown): boolean {
  return String(user.values['email_address']).toLowerCase() === String(email).toLowerCase()
}

const inSeconds = (time: Date) => `${time.toISOString().slice(0, 19)}Z`

function cast (kind: 'text' | 'integer' | 'boolean', value: unknown): unknown {
  if (kind === 'text') return value === null ? null : String(value)
  if (kind === 'integer') return Number(value)
  return value === true || value === 'true' || value === '1'
}

function judgeCodes ({ country_code: country, state_code: state }: Record<string, unknown>, errors: Errors): void {
  if (country !== undefined && !iso31661.some(({ alpha2 }) => alpha2 === country)) errors['country_code'] = ['is not included in the list']
  else if (state !== undefined && !iso31662.some(({ code }) => country === undefined ? code.endsWith(`-${String(state)}`) : code === `${String(country)}-${String(state)}`)) {
    errors['state_code'] = ['is not included in the list']
  }
}

const signatures = [[0x89, 0x50, 0x4e, 0x47], [0xff, 0xd8, 0xff], [0x47, 0x49, 0x46, 0x38], [0x42, 0x4d], [0x49, 0x49, 0x2a, 0], [0x4d, 0x4d, 0, 0x2a]]

function isImage (bytes: Buffer): boolean {
  return signatures.some(signature => signature.every((byte, at) => bytes[at] === byte))
}

const shownElsewhere = new Set(['bid_contact', 'vendor_id', 'add_to_new_projects'])

/** The user as Procore answers it: all keys, null where there is nothing. */
export function present (user: User, origin: string): Record<string, unknown> {
  const { bid_contact: _, vendor_id: vendorId, add_to_new_projects: addToNewProjects = false, ...values } = user.values
  const name = [values['first_name'], values['last_name']].filter(Boolean).join(' ')
  const nothing = Object.fromEntries(Object.keys(kinds).filter(key => !shownElsewhere.has(key)).map(key => [key, null]))
  return {
    ...nothing,
    is_active: true,
    is_employee: false,
    ...values,
    id: user.id,
    name,
    avatar: user.avatar === undefined ? null : `${origin}/avatars/${user.id}`,
    add_to_new_projects: addToNewProjects,
    business_id: null,
    is_insurance_manager: false,
    last_login_at: null,
    created_at: user.createdAt,
    updated_at: user.updatedAt,
    vendor: vendorId === undefined ? null : { id: vendorId, name: vendorName(vendorId) },
  }
}
