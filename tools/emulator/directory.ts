/** The emulated company directory: stores users and validates them as Procore does. */
import { iso31661, iso31662 } from 'iso-3166'
import { getVendorName } from './catalog.ts'
import type { Settings } from './settings.ts'
import { isBlank, uniqueFields, UserMap, type User } from './user-map.ts'

/** The attributes of a user, parsed from a JSON or multipart body as Rails does. */
export interface UserAttributes {
  values: Record<string, unknown>
  avatar?: Buffer
}

/** Messages by field, one of the formats of Procore's validation errors. */
export type ErrorsByField = Record<string, string[]>

type FieldType = 'text' | 'integer' | 'boolean'

const fieldTypes: Record<string, FieldType> = {
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

const usersMax = 200_000
const avatarsMaxBytes = 536_870_912

/** The users of all companies with their avatars, up to `usersMax` and `avatarsMaxBytes`. */
export class Directory {
  readonly users = new UserMap()
  #nextId = 381_006
  #avatarBytes = 0

  /** Casts the known fields, normalizes texts if the settings say so, and drops unknown fields silently. */
  castFields (record: Record<string, unknown>, { normalizesText }: Settings): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    for (const [name, type] of Object.entries(fieldTypes)) {
      if (record[name] === undefined) continue
      const value = castValue(type, record[name])
      values[name] = normalizesText && typeof value === 'string' ? normalizeText(name, value) : value
    }
    return values
  }

  /**
   * Returns Procore's validation errors for a new user.
   * @param enforcesRequiredFields whether fields that the company itself requires must be present
   */
  validate (
    companyId: number, attributes: UserAttributes, settings: Settings, enforcesRequiredFields: boolean
  ): ErrorsByField {
    const errors = validateFields(attributes, settings, enforcesRequiredFields)
    return { ...errors, ...this.#findTaken(companyId, attributes.values) }
  }

  /** Returns Procore's validation errors for a user after an update. */
  validateUpdate (
    user: User, attributes: UserAttributes, settings: Settings, enforcesRequiredFields: boolean
  ): ErrorsByField {
    const updated = { ...attributes, values: { ...user.values, ...attributes.values } }
    const errors = validateFields(updated, settings, enforcesRequiredFields)
    for (const name of settings.updateRequiredFields) {
      if (isBlank(attributes.values[name])) errors[name] = [settings.blankMessage]
    }
    return { ...errors, ...this.#findTaken(user.companyId, attributes.values, user) }
  }

  /** @throws {RangeError} if the directory is full */
  update (user: User, { values, avatar }: UserAttributes, now: Date): void {
    if (avatar !== undefined) {
      this.#reserveAvatarBytes(avatar.length - (user.avatar?.length ?? 0))
      user.avatar = avatar
    }
    this.users.assign(user, values)
    user.updatedAt = toIsoSeconds(now)
  }

  isEmailTaken (companyId: number, email: unknown): boolean {
    return this.users.find(companyId, 'email_address', email).length > 0
  }

  /** @throws {RangeError} if the directory is full */
  add (companyId: number, { values, avatar }: UserAttributes, now: Date): User {
    if (this.users.size >= usersMax) throw new RangeError('The emulated directory is full.')
    this.#reserveAvatarBytes(avatar?.length ?? 0)
    const timestamp = toIsoSeconds(now)
    const user: User = {
      id: this.#nextId++,
      companyId,
      values,
      avatar,
      createdAt: timestamp,
      updatedAt: timestamp,
      invitations: 0,
    }
    this.users.set(user.id, user)
    return user
  }

  /** Removes the users of all companies; their ids are not reused. */
  clear (): void {
    this.users.clear()
    this.#avatarBytes = 0
  }

  /** Returns the users of one company, the oldest first. */
  list (companyId: number): User[] {
    return this.users.listCompany(companyId)
  }

  /**
   * Finds the values that must be unique in a company and that another user has, active or not.
   * @param updated the user that the values are for, unless they are for a new one
   */
  #findTaken (companyId: number, values: Record<string, unknown>, updated?: User): ErrorsByField {
    const errors: ErrorsByField = {}
    for (const field of uniqueFields) {
      const isTaken = this.users.find(companyId, field, values[field]).some(user => user !== updated)
      if (isTaken) errors[field] = [takenMessage]
    }
    return errors
  }

  #reserveAvatarBytes (bytes: number): void {
    if (this.#avatarBytes + bytes > avatarsMaxBytes) throw new RangeError('The emulated directory is full.')
    this.#avatarBytes += bytes
  }
}

const takenMessage = 'has already been taken'

function validateFields (
  { values, avatar }: UserAttributes, settings: Settings, enforcesRequiredFields: boolean
): ErrorsByField {
  const errors: ErrorsByField = {}
  const required = ['last_name', 'email_address', ...(enforcesRequiredFields ? settings.requiredFields : [])]
  for (const name of required) {
    if (isBlank(values[name])) errors[name] = [settings.blankMessage]
  }
  validateCountryAndState(values, errors)
  const lacksVendor = values['bid_contact'] === true && values['vendor_id'] === undefined
  if (lacksVendor) errors['vendor_id'] = [settings.blankMessage]
  if (avatar !== undefined && !isImage(avatar)) errors['avatar'] = ['is not an image']
  return errors
}

function normalizeText (fieldName: string, text: string): string {
  return fieldName === 'email_address' ? text.trim().toLowerCase() : text.trim()
}

const toIsoSeconds = (time: Date) => `${time.toISOString().slice(0, 19)}Z`

function castValue (type: FieldType, value: unknown): unknown {
  if (value === null) return null
  if (type === 'text') return String(value)
  if (type === 'integer') return Number(value)
  return value === true || value === 'true' || value === '1'
}

function validateCountryAndState (values: Record<string, unknown>, errors: ErrorsByField): void {
  const country = values['country_code'] ?? undefined
  const state = values['state_code'] ?? undefined
  if (country !== undefined && !iso31661.some(({ alpha2 }) => alpha2 === country)) {
    errors['country_code'] = ['is not included in the list']
  } else if (state !== undefined && !isSubdivision(country, state)) {
    errors['state_code'] = ['is not included in the list']
  }
}

const subdivisionCodes = new Set(iso31662.map(({ code }) => code))

/** Without a country, a state of any country is valid. */
function isSubdivision (country: unknown, state: unknown): boolean {
  if (country === undefined) return iso31662.some(({ code }) => code.endsWith(`-${String(state)}`))
  return subdivisionCodes.has(`${String(country)}-${String(state)}`)
}

/** PNG, JPEG, GIF, BMP and TIFF in both byte orders. */
const imageSignatures = [
  [0x89, 0x50, 0x4e, 0x47],
  [0xff, 0xd8, 0xff],
  [0x47, 0x49, 0x46, 0x38],
  [0x42, 0x4d],
  [0x49, 0x49, 0x2a, 0],
  [0x4d, 0x4d, 0, 0x2a],
]

function isImage (bytes: Buffer): boolean {
  return imageSignatures.some(signature => signature.every((byte, index) => bytes[index] === byte))
}

const fieldsWithoutNullDefault = new Set(['bid_contact', 'vendor_id', 'add_to_new_projects'])

/** Builds the user of a response: all fields are present, unset ones as null. */
export function serializeUser (user: User, origin: string): Record<string, unknown> {
  const { bid_contact: _, vendor_id: vendorId, add_to_new_projects: addToNewProjects = false, ...values } = user.values
  const name = [values['first_name'], values['last_name']].filter(Boolean).join(' ')
  const nullableNames = Object.keys(fieldTypes).filter(fieldName => !fieldsWithoutNullDefault.has(fieldName))
  const nullFields = Object.fromEntries(nullableNames.map(fieldName => [fieldName, null]))
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
    vendor: vendorId === undefined || vendorId === null ? null : { id: vendorId, name: getVendorName(vendorId) },
  }
}
