/** Describes the endpoints for the users in a company's directory, as Procore documents them. */
import { Type, type TBoolean, type TInteger, type TObject, type TString } from '@sinclair/typebox'
import { isSubdivisionOf } from './iso-3166.ts'
import type {
  Endpoint, FieldDependency, LookupSpec, NullMeaning, OperationRestriction, ProxiedEndpoint, RecordBody, RecordGuard,
  Restriction, ValueRestriction,
} from './endpoint.ts'
import {
  boolean, companyParams, countryCode, dateRange, emailAddress, id, ids, line, nonNegativeInteger, oneOf, pageParams,
  stateCode, text,
  type EndpointOptions, type StateCodes,
} from './fields.ts'

const optional = Type.Optional

/** The fields of a create. */
export const userFields = (stateCodes: StateCodes) => Type.Object({
  last_name: line({ description: 'The last name of the user.', examples: ['Doe'] }),
  email_address: emailAddress({
    description: 'The e-mail address of the user, unique within the company.',
    examples: ['jane.doe@example.com'],
  }),
  first_name: optional(line({ description: 'The first name of the user.', examples: ['Jane'] })),
  job_title: optional(line({ description: 'The job title of the user.', examples: ['QA Manager'] })),
  address: optional(text({ description: 'The street address of the user.', examples: ['6305 Carpinteria Ave'] })),
  city: optional(line({ description: 'The city of the user.', examples: ['Carpinteria'] })),
  zip: optional(line({ description: 'The postal code of the user, as a string.', examples: ['93013'] })),
  initials: optional(line({ description: 'The initials of the user.', examples: ['JD'] })),
  notes: optional(text({ description: 'Notes about the user.', examples: ['notes'] })),
  business_phone: optional(line({
    description: 'The business phone number of the user.',
    examples: ['1-555-555-1234'],
  })),
  mobile_phone: optional(line({ description: 'The mobile phone number of the user.', examples: ['1-555-555-1234'] })),
  fax_number: optional(line({ description: 'The fax number of the user.', examples: ['1-555-555-1234'] })),
  business_phone_extension: optional(nonNegativeInteger({
    description: 'The extension of the business phone number.',
    examples: [123],
  })),
  email_signature: optional(text({
    description: 'The e-mail signature of the user. It may contain HTML.',
    examples: ['<p>Sent from Procore.</p>'],
  })),
  is_active: optional(boolean({ description: 'Whether the user is active.', examples: [true] })),
  is_employee: optional(boolean({
    description: 'Whether the user is an employee of the company. The default of Procore is false.',
    examples: [false],
  })),
  employee_id: optional(line({
    description: 'The employee id of the user. Procore uses it only if `is_employee` is true.',
    examples: ['123456789'],
  })),
  country_code: optional(countryCode(stateCodes, {
    description: 'The country of the user: a currently assigned ISO 3166-1 alpha-2 code in upper case.',
    examples: ['US'],
  })),
  state_code: optional(stateCode(stateCodes, {
    description: 'The state of the user: the part after the hyphen of an ISO 3166-2 code. It must belong to ' +
      '`country_code`, if given.',
    examples: ['CA'],
  })),
  origin_id: optional(line({ description: 'The id of the user in the system of origin.', examples: ['foobar'] })),
  origin_data: optional(text({ description: 'Opaque data of the system of origin.', examples: ['OD-2398273424'] })),
  vendor_id: optional(id({
    description: 'The id of the vendor (company) that the user belongs to.',
    examples: [161072],
  })),
  work_classification_id: optional(id({
    description: 'The id of the work classification of the user.',
    examples: [13],
  })),
  default_permission_template_id: optional(id({
    description: 'The id of the permission template of the user in new projects.',
    examples: [27],
  })),
  company_permission_template_id: optional(id({
    description: 'The id of the permission template of the user in the company.',
    examples: [28],
  })),
  bid_contact: optional(boolean({
    description: 'Whether the user is a bid contact of the vendor. It requires `vendor_id` if true.',
    examples: [true],
  })),
})

const stateBelongsToCountry: FieldDependency = {
  fields: ['country_code', 'state_code'],
  check: values => {
    const country = values.get('country_code')
    const state = values.get('state_code')
    if (typeof country !== 'string' || typeof state !== 'string' || isSubdivisionOf(country, state)) return undefined
    return { field: 'state_code', message: `must be an ISO 3166-2 subdivision of ${country}` }
  },
}

const bidContactRequiresVendor: FieldDependency = {
  fields: ['bid_contact', 'vendor_id'],
  check: values => values.get('bid_contact') === true && !values.has('vendor_id')
    ? { field: 'vendor_id', message: 'is required when bid_contact is true' }
    : undefined,
}

const nullable = (schema: TString | TInteger | TBoolean) => optional(Type.Union([schema, Type.Null()]))
const nullableText = nullable(Type.String())
const nullableInteger = nullable(Type.Integer())
const nullableBoolean = nullable(Type.Boolean())

export const userSchema = Type.Object({
  id: Type.Integer({ description: 'The id of the user in Procore.' }),
  name: nullableText,
  first_name: nullableText,
  last_name: nullableText,
  email_address: nullableText,
  job_title: nullableText,
  initials: nullableText,
  avatar: nullableText,
  address: nullableText,
  city: nullableText,
  state_code: nullableText,
  country_code: nullableText,
  zip: nullableText,
  business_id: nullableText,
  business_phone: nullableText,
  business_phone_extension: nullableInteger,
  mobile_phone: nullableText,
  fax_number: nullableText,
  email_signature: nullableText,
  employee_id: nullableText,
  notes: nullableText,
  is_active: nullableBoolean,
  is_employee: nullableBoolean,
  is_insurance_manager: nullableBoolean,
  add_to_new_projects: nullableBoolean,
  last_login_at: nullableText,
  created_at: nullableText,
  updated_at: nullableText,
  origin_id: nullableText,
  origin_data: nullableText,
  vendor: optional(Type.Union([Type.Object({ id: optional(Type.Integer()), name: nullableText }), Type.Null()])),
  work_classification_id: nullableInteger,
  default_permission_template_id: nullableInteger,
  company_permission_template_id: nullableInteger,
}, {
  title: 'User',
  description: 'The user exactly as Procore returns it. Most members may be null or absent, and Procore may return ' +
    'other members.',
  additionalProperties: true,
  examples: [{
    id: 381006,
    name: 'Jane Doe',
    first_name: 'Jane',
    last_name: 'Doe',
    email_address: 'jane.doe@example.com',
    job_title: 'QA Manager',
    avatar: null,
    country_code: 'US',
    state_code: 'CA',
    is_active: true,
    is_employee: false,
    created_at: '2016-10-23T21:39:40Z',
    updated_at: '2016-10-23T21:39:40Z',
    vendor: { id: 161072, name: 'SID Architecture' },
  }],
})

export const templateRestriction = (permissionTemplateIds: ReadonlySet<number>): ValueRestriction => ({
  kind: 'values',
  fields: ['default_permission_template_id', 'company_permission_template_id'],
  values: permissionTemplateIds,
  code: 'template_not_allowed',
  message: 'is not a permission template that callers may assign',
})

/** In an update, `null` clears a field that a user need not have. */
export const clearedByNull: NullMeaning = { kind: 'cleared', exceptFields: ['last_name', 'email_address'] }

/** A caller that changes the address or the state of an account can take it over or lock it. */
export const loginRestriction: OperationRestriction = {
  kind: 'operation',
  fields: ['email_address', 'is_active'],
  operation: 'update-company-user-login',
}

/** Returns the rules between the fields of every user. */
export const userDependencies = (stateCodes: StateCodes): readonly FieldDependency[] =>
  stateCodes === 'iso' ? [stateBelongsToCountry] : []

/** Returns the body of a create or an update. The fields define which of them are required. */
function userBody (
  fields: TObject,
  nullMeaning: NullMeaning,
  { stateCodes, permissionTemplateIds }: EndpointOptions,
  dependencies: readonly FieldDependency[],
  restrictions: readonly Restriction[] = []
): RecordBody {
  return {
    rootKey: 'user',
    fields,
    nullMeaning,
    images: [{
      name: 'avatar',
      description: 'A PNG, JPEG, GIF, BMP or TIFF image. The type is detected from its first bytes. By default, ' +
        'metadata of PNG, JPEG and GIF images is removed.',
    }],
    dependencies: [...userDependencies(stateCodes), ...dependencies],
    restrictions: [templateRestriction(permissionTemplateIds), ...restrictions],
  }
}

export const usersRoute = {
  path: '/companies/:company_id/users',
  procorePath: '/rest/v1.3/companies/:company_id/users',
}
const userRoute = {
  path: `${usersRoute.path}/:id`,
  procorePath: `${usersRoute.procorePath}/:id`,
  params: Type.Object({
    ...companyParams.properties,
    id: id({ description: 'The id of the user.', examples: [381006] }),
  }),
}

/** Without it, a caller could take over the account of an administrator: change its address, then invite it. */
export const userGuard = ({ permissionTemplateIds }: EndpointOptions): RecordGuard => ({
  procorePath: userRoute.procorePath,
  restriction: templateRestriction(permissionTemplateIds),
})

const validationQuery = Type.Object({
  run_configurable_validations: optional(boolean({
    description: 'Whether Procore enforces the fields that the company requires. The default of Procore is false.',
    examples: [false],
  })),
})

/**
 * Procore's Create Company User, v1.3. It is sent at most once. If the response is lost, the user is looked up by
 * `origin_id`, if there is one, and by e-mail address. With `stateCodes: 'any'`, only Procore validates states.
 */
export function createCompanyUser (
  options: EndpointOptions
): ProxiedEndpoint & { body: RecordBody, lookup: LookupSpec } {
  return {
    ...usersRoute,
    name: 'create-company-user',
    method: 'POST',
    effect: 'once',
    acceptsIdempotencyKey: true,
    summary: 'Create a company user',
    description: 'Creates a user in the directory of a company. Procore does not send an invitation.',
    params: companyParams,
    query: validationQuery,
    body: userBody(userFields(options.stateCodes), { kind: 'absent' }, options, [bidContactRequiresVendor]),
    success: { status: 201, description: 'The user was created.', schema: userSchema },
    lookup: {
      lists: [
        { path: '/rest/v1.3/companies/:company_id/users', isActive: true },
        { path: '/rest/v1.0/companies/:company_id/users/inactive', isActive: false },
      ],
      showOperation: showCompanyUser.name,
      matchField: 'email_address',
      originField: 'origin_id',
      fieldPaths: { vendor_id: ['vendor', 'id'] },
    },
  }
}

/** Validates the body of a create without sending it. */
export function validateCompanyUser (options: EndpointOptions): Endpoint {
  const { params, query, body } = createCompanyUser(options)
  return {
    params,
    query,
    body,
    name: 'validate-company-user',
    method: 'POST',
    effect: 'safe',
    path: `${usersRoute.path}/validate`,
    acceptsIdempotencyKey: true,
    summary: 'Validate a company user',
    description: 'Validates a body exactly as the create does, without calling Procore, so errors that only Procore ' +
      'can find are not reported. The request does not count against the rate limit of Procore and does not use the ' +
      'idempotency key.',
    dryRunResponse: { valid: true },
    success: {
      status: 200,
      description: 'The body is valid: the create would be sent.',
      schema: Type.Object({ valid: Type.Literal(true) }),
    },
  }
}

/** Returns the fields of an update of one user, none of them required: without those that only a create accepts. */
function updateFields (stateCodes: StateCodes): TObject {
  const { bid_contact: _, ...fields } = userFields(stateCodes).properties
  return Type.Partial(Type.Object({
    ...fields,
    add_to_new_projects: boolean({ description: 'Whether the user is added to new projects.', examples: [true] }),
  }))
}

/**
 * Procore's Update Company User, v1.3: the fields of the create, none of them required, without `bid_contact` and with
 * `add_to_new_projects`.
 */
export function updateCompanyUser (options: EndpointOptions): Endpoint {
  return {
    ...userRoute,
    name: 'update-company-user',
    method: 'PATCH',
    effect: 'idempotent',
    summary: 'Update a company user',
    description: 'Changes the given fields, and replaces the avatar if one is given. Where scopes are on, a change ' +
      'of `email_address` or `is_active` needs the scope `update-company-user-login` as well. Where permission ' +
      'templates are restricted, a user with another template cannot be changed.',
    query: validationQuery,
    body: userBody(
      updateFields(options.stateCodes),
      clearedByNull,
      options,
      [],
      [loginRestriction]
    ),
    guard: userGuard(options),
    success: { status: 200, description: 'The user was updated.', schema: userSchema },
  }
}

/** Procore's Send Invite to Company User, v1.3. Each request sends an e-mail, so it accepts an Idempotency-Key. */
export function inviteCompanyUser (options: EndpointOptions): Endpoint {
  return {
    ...userRoute,
    path: `${userRoute.path}/invite`,
    procorePath: `${userRoute.procorePath}/invite`,
    name: 'invite-company-user',
    method: 'PATCH',
    effect: 'once',
    acceptsIdempotencyKey: true,
    summary: 'Invite a company user',
    description: 'Makes Procore send the user an invitation by e-mail. The request has no body. Where permission ' +
      'templates are restricted, a user with another template cannot be invited.',
    query: Type.Object({}),
    guard: userGuard(options),
    success: { status: 202, description: 'The invitation will be sent.' },
  }
}

/** Procore's Show Company User, v1.3. */
export const showCompanyUser: ProxiedEndpoint = {
  ...userRoute,
  name: 'show-company-user',
  method: 'GET',
  effect: 'safe',
  readsPeople: true,
  summary: 'Show a company user',
  description: 'Returns one user in the directory of a company.',
  query: Type.Object({}),
  success: { status: 200, description: 'The user.', schema: userSchema },
}

/** Procore's Show User Info (Me), v1.3. The user is the service account, because each request has its access token. */
export const showCurrentCompanyUser: Endpoint = {
  path: '/companies/:company_id/me',
  procorePath: '/rest/v1.3/companies/:company_id/me',
  name: 'show-current-company-user',
  method: 'GET',
  effect: 'safe',
  readsPeople: true,
  summary: 'Show the current company user',
  description: 'Returns the user in the directory of a company that requests to Procore are made as: the service ' +
    'account, not the caller.',
  params: companyParams,
  query: Type.Object({}),
  success: { status: 200, description: 'The user.', schema: userSchema },
}

/**
 * The picture of a user. Procore has no such endpoint, and a page may not be able to use the URL in `avatar`, which may
 * need the access token.
 */
export const showCompanyUserAvatar: Endpoint = {
  path: `${userRoute.path}/avatar`,
  params: userRoute.params,
  name: 'show-company-user-avatar',
  method: 'GET',
  effect: 'safe',
  summary: 'Show the avatar of a company user',
  description: 'Returns the picture of a user. The service reads the user, and fetches the picture with the access ' +
    'token if Procore asks for it. The scope is that of `show-company-user`. 404 with the code `not_found` if the ' +
    'user has no avatar.',
  query: Type.Object({}),
  file: { record: showCompanyUser, field: 'avatar' },
  success: { status: 200, description: 'The picture.' },
}

const sortOrders = [
  'name', 'vendor_name', 'permission_template', 'full_name', 'projects', 'email', 'job_title',
] as const

/** Procore's List Company Users, v1.3, with its filters and sort orders. It lists active users only. */
export const listCompanyUsers: Endpoint = {
  ...usersRoute,
  name: 'list-company-users',
  method: 'GET',
  effect: 'safe',
  readsPeople: true,
  summary: 'List company users',
  description: 'Lists the active users in the directory of a company.',
  params: companyParams,
  query: Type.Object({
    ...pageParams,
    view: optional(oneOf(['normal', 'extended', 'ids_only'], { description: 'The level of detail for each user.' })),
    sort: optional(oneOf(sortOrders, { description: 'The sort order of the list.' })),
    'filters[search]': optional(text({
      description: 'Text that the name or the e-mail address contains.',
      examples: ['Doe'],
    })),
    'filters[vendor_id]': optional(id({
      description: 'The id of the vendor that users belong to.',
      examples: [161072],
    })),
    'filters[origin_id]': optional(text({
      description: 'The id of the user in the system of origin.',
      examples: ['foobar'],
    })),
    'filters[trade_id][]': optional(ids({
      description: 'The ids of trades; users with any of them match.',
      examples: [[5, 8]],
    })),
    'filters[created_at]': optional(dateRange({
      description: 'When users were created: a start, or a start and an end separated by `...`.',
      examples: ['2026-01-01...2026-02-01'],
    })),
    'filters[updated_at]': optional(dateRange({
      description: 'When users were updated: a start, or a start and an end separated by `...`.',
      examples: ['2026-01-01T00:00:00Z...2026-01-02T00:00:00Z'],
    })),
  }),
  success: {
    status: 200,
    description: 'One page of users.',
    schema: Type.Array(Type.Union([userSchema, Type.Integer()])),
    isPage: true,
  },
}
