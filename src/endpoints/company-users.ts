/**
 * The people in a company's directory: `POST /rest/v1.3/companies/{company_id}/users` as Procore documents it.
 */
import { Type } from '@sinclair/typebox'
import { isSubdivisionOf } from './codes.ts'
import type { Dependency, Endpoint } from './endpoint.ts'
import { countryCode, emailAddress, flag, id, stateCode, text, wholeNumber, type DescriptionOptions, type StateCodes } from './fields.ts'

const optional = Type.Optional

const userFields = (stateCodes: StateCodes) => Type.Object({
  last_name: text({ description: 'The last name of the user.', examples: ['Doe'] }),
  email_address: emailAddress({ description: 'The e-mail address of the user, unique within the company.', examples: ['jane.doe@example.com'] }),
  first_name: optional(text({ description: 'The first name of the user.', examples: ['Jane'] })),
  job_title: optional(text({ description: 'The job title of the user.', examples: ['QA Manager'] })),
  address: optional(text({ description: 'The street address of the user.', examples: ['6305 Carpinteria Ave'] })),
  city: optional(text({ description: 'The city of the user.', examples: ['Carpinteria'] })),
  zip: optional(text({ description: 'The postal code of the user, a string.', examples: ['93013'] })),
  initials: optional(text({ description: 'The initials of the user.', examples: ['JD'] })),
  notes: optional(text({ description: 'Notes about the user.', examples: ['notes'] })),
  business_phone: optional(text({ description: 'The business phone number of the user.', examples: ['1-555-555-1234'] })),
  mobile_phone: optional(text({ description: 'The mobile phone number of the user.', examples: ['1-555-555-1234'] })),
  fax_number: optional(text({ description: 'The fax number of the user.', examples: ['1-555-555-1234'] })),
  business_phone_extension: optional(wholeNumber({ description: 'The extension of the business phone number.', examples: [123] })),
  email_signature: optional(text({ description: 'The e-mail signature of the user; may be HTML.', examples: ['<p>Sent from Procore.</p>'] })),
  is_active: optional(flag({ description: 'Whether the user is active.', examples: [true] })),
  is_employee: optional(flag({ description: 'Whether the user is an employee of the company; Procore assumes false.', examples: [false] })),
  employee_id: optional(text({ description: 'The employee id of the user; it means something when `is_employee` is true.', examples: ['123456789'] })),
  country_code: optional(countryCode({ description: 'A current ISO 3166-1 alpha-2 code in upper case.', examples: ['US'] })),
  state_code: optional(stateCode(stateCodes, { description: 'The part after the hyphen of an ISO 3166-2 code, of the country when one is given.', examples: ['CA'] })),
  origin_id: optional(text({ description: 'The id of the user in the system it comes from.', examples: ['foobar'] })),
  origin_data: optional(text({ description: 'Opaque data of the system the user comes from.', examples: ['OD-2398273424'] })),
  vendor_id: optional(id({ description: 'The id of the vendor (company) that the user belongs to.', examples: [161072] })),
  work_classification_id: optional(id({ description: 'The id of the work classification of the user.', examples: [13] })),
  default_permission_template_id: optional(id({ description: 'The id of the permission template that the user has in new projects.', examples: [27] })),
  company_permission_template_id: optional(id({ description: 'The id of the permission template that the user has in the company.', examples: [28] })),
  bid_contact: optional(flag({ description: 'Whether the user is a bid contact of the vendor; needs `vendor_id`.', examples: [true] })),
})

const stateOfCountry: Dependency = values => {
  const country = values.get('country_code')
  const state = values.get('state_code')
  if (typeof country !== 'string' || typeof state !== 'string' || isSubdivisionOf(country, state)) return undefined
  return { field: 'state_code', message: `is no ISO 3166-2 subdivision of ${country}` }
}

const bidContactOfVendor: Dependency = values =>
  values.get('bid_contact') === true && !values.has('vendor_id')
    ? { field: 'vendor_id', message: 'is required when bid_contact is true' }
    : undefined

const nullable = (schema: ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer> | ReturnType<typeof Type.Boolean>) =>
  optional(Type.Union([schema, Type.Null()]))
const nullableText = nullable(Type.String())
const nullableId = nullable(Type.Integer())
const nullableFlag = nullable(Type.Boolean())

const createdUser = Type.Object({
  id: optional(Type.Integer({ description: 'The id of the user at Procore.' })),
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
  business_phone_extension: nullableId,
  mobile_phone: nullableText,
  fax_number: nullableText,
  email_signature: nullableText,
  employee_id: nullableText,
  notes: nullableText,
  is_active: nullableFlag,
  is_employee: nullableFlag,
  is_insurance_manager: nullableFlag,
  add_to_new_projects: nullableFlag,
  last_login_at: nullableText,
  created_at: nullableText,
  updated_at: nullableText,
  origin_id: nullableText,
  origin_data: nullableText,
  vendor: optional(Type.Union([Type.Object({ id: optional(Type.Integer()), name: nullableText }), Type.Null()])),
  work_classification_id: nullableId,
  default_permission_template_id: nullableId,
  company_permission_template_id: nullableId,
}, {
  description: 'The user as Procore answers it, byte for byte. Nearly every key may be null or absent, and others may come.',
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

/** The create of a company user; `stateCodes: 'any'` leaves the judging of states to Procore. */
export function createCompanyUser ({ stateCodes, permissionTemplateIds }: DescriptionOptions): Endpoint {
  return {
    name: 'create-company-user',
    method: 'POST',
    effect: 'once',
    takesKey: true,
    path: '/companies/:company_id/users',
    procorePath: '/rest/v1.3/companies/:company_id/users',
    summary: 'Create a company user',
    description: 'Creates a person in the directory of a company. Procore does not send an invitation.',
    params: Type.Object({
      company_id: id({ description: 'The id of the company.', examples: [1234] }),
    }),
    query: Type.Object({
      run_configurable_validations: optional(flag({ description: 'Whether the fields that the company itself requires are enforced; Procore assumes false.', examples: [true] })),
    }),
    body: {
      key: 'user',
      fields: userFields(stateCodes),
      image: { name: 'avatar', description: 'A png, jpeg, gif, bmp or tiff image, told by its first bytes. Only in a form.' },
      dependencies: stateCodes === 'iso' ? [stateOfCountry, bidContactOfVendor] : [bidContactOfVendor],
      restricted: {
        fields: ['default_permission_template_id', 'company_permission_template_id'],
        values: permissionTemplateIds,
        code: 'template_not_allowed',
        message: 'is not a permission template that callers may give',
      },
    },
    success: { status: 201, description: 'The user was created.', schema: createdUser },
    lookUp: {
      lists: ['/rest/v1.3/companies/:company_id/users', '/rest/v1.0/companies/:company_id/users/inactive'],
      by: 'email_address',
      shownAt: { vendor_id: ['vendor', 'id'] },
    },
  }
}
