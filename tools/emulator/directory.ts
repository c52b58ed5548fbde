/** The emulator's company directory: which users there are, and what Procore would say to a new one. */
import { iso31661, iso31662 } from 'iso-3166'
import { getVendorName } from './catalog.ts'
import type { Settings } from './settings.ts'

/** What Rails makes of a body, whichever way it came: values, and the avatar's bytes. */
export interface UserAttributes {
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
export type ErrorsByField = Record<string, string[]>

const fieldTypes: Record<string, 'text' | 'integer' | 'boolean'> = {
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
  castFields (record: Record<string, unknown>): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    for (const [name, type] of Object.entries(fieldTypes)) {
      if (record[name] !== undefined) values[name] = castValue(type, record[name])
    }
    return values
  }

  /** What Procore would say against a new user; nothing is stored. @param enforcesRequiredFields whether the company's own required fields count */
  validate (companyId: number, { values, avatar }: UserAttributes, settings: Settings, enforcesRequiredFields: boolean): ErrorsByField {
    const errors: ErrorsByField = {}
    const required = ['last_name', 'email_address', ...(enforcesRequiredFields ? settings.requiredFields : [])]
    for (const name of required) {
      if (String(values[name] ?? '').trim() === '') errors[name] = ["can't be blank"]
    }
    validateCountryAndState(values, errors)
    if (values['bid_contact'] === true && values['vendor_id'] === undefined) errors['vendor_id'] = ["can't be blank"]
    if (avatar !== undefined && !isImage(avatar)) errors['avatar'] = ['is not an image']
    if (settings.takenEmail === 422 && this.isEmailTaken(companyId, values['email_address'])) errors['email_address'] = ['has already been taken']
    return errors
  }

  /** What is said of a user as it would be. */
  validateUpdate (user: User, attributes: UserAttributes, settings: Settings, enforcesRequiredFields: boolean): ErrorsByField {
    const settingsWithoutEmailCheck: Settings = { ...settings, takenEmail: 409 }
    const errors = this.validate(user.companyId, { ...attributes, values: { ...user.values, ...attributes.values } }, settingsWithoutEmailCheck, enforcesRequiredFields)
    const email = attributes.values['email_address']
    if (email !== undefined && this.list(user.companyId).some(other => other !== user && hasEmail(other, email))) errors['email_address'] = ['has already been taken']
    return errors
  }

  /** An avatar replaces the one that was there. */
  update (user: User, { values, avatar }: UserAttributes, now: Date): void {
    Object.assign(user.values, values)
    user.avatar = avatar ?? user.avatar
    user.updatedAt = toIsoSeconds(now)
  }

  /** E-mail addresses are compared without regard to case. */
  isEmailTaken (companyId: number, email: unknown): boolean {
    return this.list(companyId).some(user => hasEmail(user, email))
  }

  /** @throws {RangeError} when the emulator is full */
  add (companyId: number, { values, avatar }: UserAttributes, now: Date): User {
    this.#avatarBytes += avatar?.length ?? 0
    if (this.users.size >= usersMax || this.#avatarBytes > avatarsMaxBytes) throw new RangeError('the emulator is full')
    const user: User = { id: this.#nextId++, companyId, values, avatar, createdAt: toIsoSeconds(now), updatedAt: toIsoSeconds(now), invitations: 0 }
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

function hasEmail (user: User, email: unknown): boolean {
  return String(user.values['email_address']).toLowerCase() === String(email).toLowerCase()
}

const toIsoSeconds = (time: Date) => `${time.toISOString().slice(0, 19)}Z`

function castValue (type: 'text' | 'integer' | 'boolean', value: unknown): unknown {
  if (type === 'text') return value === null ? null : String(value)
  if (type === 'integer') return Number(value)
  return value === true || value === 'true' || value === '1'
}

function validateCountryAndState ({ country_code: country, state_code: state }: Record<string, unknown>, errors: ErrorsByField): void {
  if (country !== undefined && !iso31661.some(({ alpha2 }) => alpha2 === country)) errors['country_code'] = ['is not included in the list']
  else if (state !== undefined && !iso31662.some(({ code }) => country === undefined ? code.endsWith(`-${String(state)}`) : code === `${String(country)}-${String(state)}`)) {
    errors['state_code'] = ['is not included in the list']
  }
}

const imageSignatures = [[0x89, 0x50, 0x4e, 0x47], [0xff, 0xd8, 0xff], [0x47, 0x49, 0x46, 0x38], [0x42, 0x4d], [0x49, 0x49, 0x2a, 0], [0x4d, 0x4d, 0, 0x2a]]

function isImage (bytes: Buffer): boolean {
  return imageSignatures.some(signature => signature.every((byte, at) => bytes[at] === byte))
}

const fieldsWithoutNullDefault = new Set(['bid_contact', 'vendor_id', 'add_to_new_projects'])

/** The user as Procore answers it: all keys, null where there is nothing. */
export function serializeUser (user: User, origin: string): Record<string, unknown> {
  const { bid_contact: _, vendor_id: vendorId, add_to_new_projects: addToNewProjects = false, ...values } = user.values
  const name = [values['first_name'], values['last_name']].filter(Boolean).join(' ')
  const nullFields = Object.fromEntries(Object.keys(fieldTypes).filter(key => !fieldsWithoutNullDefault.has(key)).map(key => [key, null]))
  return {
    ...nullFields,
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
    vendor: vendorId === undefined ? null : { id: vendorId, name: getVendorName(vendorId) },
  }
}
