// Tests that startup refuses descriptions of endpoints that the proxy cannot follow.
import { Type, type TObject, type TSchema } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { listCompanies } from '../../src/endpoints/companies.ts'
import { showCompanyUser, showCompanyUserAvatar } from '../../src/endpoints/company-users.ts'
import { companyParams, id, ids, listMaxItems, oneOf, text, textMaxBytes } from '../../src/endpoints/fields.ts'
import { startService } from '../helpers/service.ts'

const description = 'A test.'
const projectId = id({ description: 'The id of the project.' })
const params = Type.Object({ ...companyParams.properties, project_id: projectId })

const base: Endpoint = {
  name: 'create-project-user',
  method: 'POST',
  effect: 'once',
  acceptsIdempotencyKey: true,
  path: '/companies/:company_id/projects/:project_id/users',
  procorePath: '/rest/v1.0/projects/:project_id/users',
  summary: 'Create a project user',
  description,
  params,
  query: Type.Object({}),
  body: { rootKey: 'user', fields: Type.Object({ name: text({ description }) }), dependencies: [], restrictions: [] },
  success: { status: 201, description, schema: Type.Object({}) },
}

/** Starts a service with the endpoints. */
async function start (t: Test, ...described: readonly unknown[]): Promise<void> {
  const endpoints: Endpoint[] = []
  // A description may come from code that is not type-checked.
  for (const [index, endpoint] of described.entries()) Reflect.set(endpoints, index, endpoint)
  await startService(t, { endpoints })
}

const withFields = (fields: Record<string, TSchema>): unknown =>
  ({ ...base, body: { ...base.body, fields: Type.Object(fields) } })
const withQuery = (fields: Record<string, TSchema>): unknown => ({ ...base, query: Type.Object(fields) })
const withParams = (properties: TObject['properties']): unknown => ({ ...base, params: Type.Object(properties) })
const withList = (members: object): object => ({
  ...base,
  body: {
    rootKey: 'users',
    maxItems: 10,
    record: { fields: Type.Object({ name: text({ description }) }), dependencies: [] },
    ...members,
  },
})
const nestedBody = {
  ...base.body,
  fields: Type.Object({ name: text({ description }), vendor: Type.Object({ name: text({ description }) }) }),
}
const { company_id: companyId } = companyParams.properties

t.test('a description whose second path has the company in its query starts', async t => start(t, base))

t.test('startup refuses a description', async t => {
  const rows = [
    {
      name: 'whose path and query name no company',
      endpoint: {
        ...base, path: '/projects/:project_id/users', params: Type.Object({ project_id: projectId }),
      },
      message: /create-project-user.*params must have company_id/,
    },
    {
      name: 'of a list of companies that has a company in its query',
      endpoint: { ...listCompanies, query: companyParams },
      message: /list-companies.*a list of companies must not have company_id/,
    },
    {
      name: 'of a list of companies whose response is not a list',
      endpoint: { ...listCompanies, success: { ...listCompanies.success, schema: Type.Object({}) } },
      message: /list-companies.*the response of a list of companies must be an array/,
    },
    {
      name: 'of a list of companies without pages',
      endpoint: { ...listCompanies, query: Type.Object({}) },
      message: /list-companies.*a list of companies must have pages/,
    },
    {
      name: 'of a change that is about no company',
      endpoint: {
        ...base, companies: 'filtered', path: '/projects', procorePath: '/projects', params: Type.Object({}),
      },
      message: /a list of companies must be read from Procore/,
    },
    {
      name: 'whose file is in a field that its record does not have',
      endpoint: { ...showCompanyUserAvatar, file: { record: showCompanyUser, field: 'picture' } },
      message: /show-company-user does not return picture/,
    },
    {
      name: 'whose file has a record with other parameters',
      endpoint: {
        ...showCompanyUserAvatar, path: '/companies/:company_id/avatar', params: companyParams,
      },
      message: /\/users\/:id names id, which is not in params/,
    },
    {
      name: 'whose company is optional',
      endpoint: withParams({ company_id: Type.Optional(companyId), project_id: projectId }),
      message: /company_id in params must be a required id/,
    },
    {
      name: 'whose company is a text',
      endpoint: withParams({ company_id: text({ description }), project_id: projectId }),
      message: /company_id in params must be a required id/,
    },
    {
      name: 'whose company may be 0',
      endpoint: withParams({ company_id: Type.Integer(), project_id: projectId }),
      message: /company_id in params must be a required id/,
    },
    {
      name: 'with a second company in the query',
      endpoint: withQuery({ company_id: id({ description }) }),
      message: /company_id must be in params only/,
    },
    {
      name: 'whose path names an unknown parameter',
      endpoint: withParams({ company_id: companyId }),
      message: /names project_id, which is not in params/,
    },
    {
      name: 'whose lookup names an unknown parameter',
      endpoint: {
        ...base,
        lookup: { lists: [{ path: '/rest/v1.0/tools/:tool_id/users', isActive: true }], matchField: 'name' },
      },
      message: /names tool_id, which is not in params/,
    },
    {
      name: 'whose lookup compares an unknown field',
      endpoint: { ...base, lookup: { lists: [], matchField: 'email' } },
      message: /body: the lookup names email, which is not a field/,
    },
    {
      name: 'whose lookup reads an unknown field',
      endpoint: { ...base, lookup: { lists: [], matchField: 'name', fieldPaths: { vendor: ['id'] } } },
      message: /body: the lookup names vendor, which is not a field/,
    },
    {
      name: 'whose lookup filters by an unknown field',
      endpoint: { ...base, lookup: { lists: [], matchField: 'name', originField: 'origin' } },
      message: /body: the lookup names origin, which is not a field/,
    },
    {
      name: 'with a restriction of an unknown field',
      endpoint: {
        ...base,
        body: { ...base.body, restrictions: [{ kind: 'operation', fields: ['is_activ'], operation: 'x' }] },
      },
      message: /body: a restriction names is_activ, which is not a field/,
    },
    {
      name: 'with an unknown field that cannot be cleared',
      endpoint: { ...base, body: { ...base.body, nullMeaning: { kind: 'cleared', exceptFields: ['nam'] } } },
      message: /body: the meaning of null names nam, which is not a field/,
    },
    {
      name: 'with a lookup of a record in a list',
      endpoint: { ...withList({}), lookup: { lists: [], matchField: 'name' } },
      message: /body: the lookup names name, which is not a field/,
    },
    {
      name: 'whose response mentions rows that its body does not have',
      endpoint: { ...base, rowReport: { fields: ['name'], read: () => [] } },
      message: /rowReport: the body must be a list of records/,
    },
    {
      name: 'whose response mentions rows by an unknown field',
      endpoint: { ...withList({}), rowReport: { fields: ['user_id'], read: () => [] } },
      message: /body record: the rowReport names user_id, which is not a field/,
    },
    {
      name: 'with a list that has no maximum',
      endpoint: withList({ maxItems: undefined }),
      message: /body: maxItems must be an integer of at least 1/,
    },
    {
      name: 'whose existing records need not have the id',
      endpoint: withList({
        existing: { idField: 'id', record: { fields: Type.Partial(Type.Object({ id: projectId })), dependencies: [] } },
      }),
      message: /body existing record: id must be required/,
    },
    {
      name: 'whose new records may have the id',
      endpoint: withList({
        record: { fields: Type.Object({ id: Type.Optional(projectId) }), dependencies: [] },
        existing: { idField: 'id', record: { fields: Type.Object({ id: projectId }), dependencies: [] } },
      }),
      message: /body record: only an existing record has id/,
    },
    {
      name: 'with an unvalidated keyword in the records of a list',
      endpoint: withList({
        record: { fields: Type.Object({ name: Type.String({ minLength: 1 }) }), dependencies: [] },
        existing: {
          idField: 'id',
          record: { fields: Type.Object({ id: projectId, age: Type.Integer({ multipleOf: 2 }) }), dependencies: [] },
        },
      }),
      message: /record name: the keyword minLength is not.*existing record age: the keyword multipleOf is not/,
    },
    {
      name: 'with a rule for an unknown field in the records of a list',
      endpoint: withList({
        record: {
          fields: Type.Object({}),
          dependencies: [],
          nullMeaning: { kind: 'cleared', exceptFields: ['nam'] },
          restrictions: [{ kind: 'operation', fields: ['is_activ'], operation: 'x' }],
        },
      }),
      message: /body record: a restriction names is_activ, .*; body record: the meaning of null names nam, which is not/,
    },
    {
      name: 'with a list in its path',
      endpoint: withParams({ company_id: companyId, project_id: ids({ description }) }),
      message: /params project_id: a parameter of a path has one value/,
    },
    {
      name: 'with a list of lists',
      endpoint: withFields({ rows: Type.Array(Type.Array(Type.String()), { maxItems: listMaxItems }) }),
      message: /body rows items: text cannot be converted to Array/,
    },
    {
      name: 'with a parameter that a request need not have, and that would be sent as undefined',
      endpoint: withParams({ company_id: companyId, project_id: Type.Optional(projectId) }),
      message: /params project_id: a parameter that may be absent belongs in query/,
    },
    ...['/companies/:company_id/:project_id?', '/companies/:company_id/:project_id(\\d+)', '/*', '//b'].map(path => ({
      name: `with the path ${path}`,
      endpoint: { ...base, path: `${base.path}${path}` },
      message: /the path .* must have names and parameters only/,
    })),
    {
      name: 'with a record in its query',
      endpoint: withQuery({ vendor: Type.Object({}) }),
      message: /query vendor: a parameter cannot have records/,
    },
    {
      name: 'with a list of records in its path',
      endpoint: withParams({ company_id: companyId, project_id: Type.Array(Type.Object({})) }),
      message: /params project_id: a parameter cannot have records/,
    },
    {
      name: 'with a fourth level of records',
      endpoint: withFields({ a: Type.Object({ b: Type.Object({ c: Type.Object({}) }) }) }),
      message: /body a b c: records in records may have 3 levels/,
    },
    {
      name: 'with a record that accepts unknown fields',
      endpoint: withFields({ vendor: Type.Object({}, { additionalProperties: true }) }),
      message: /body vendor: unknown fields are always refused/,
    },
    {
      name: 'with an unvalidated keyword in a record and in a list of records',
      endpoint: withFields({
        vendor: Type.Object({ name: Type.String({ minLength: 1 }) }, { minProperties: 1 }),
        contacts: Type.Array(Type.Object({ age: Type.Integer({ multipleOf: 2 }) }), { minItems: 1, maxItems: 5 }),
      }),
      message: new RegExp([
        'body vendor: the keyword minProperties is not validated',
        'body vendor name: the keyword minLength is not validated',
        'body contacts: the keyword minItems is not validated',
        `body contacts: maxItems must be ${listMaxItems}`,
        'body contacts items age: the keyword multipleOf is not validated',
      ].join('; .*')),
    },
    {
      name: 'with a record in a record and an image',
      endpoint: { ...base, body: { ...nestedBody, images: [{ name: 'picture', description }] } },
      message: /body: an image needs a form, which has at most 64 parts and no records in the record/,
    },
    {
      name: 'with an image beside more fields than a form may have',
      endpoint: {
        ...base,
        body: {
          ...base.body,
          fields: Type.Object(Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`f${index}`, projectId]))),
          images: [{ name: 'logo', description }],
        },
      },
      message: /body: an image needs a form, which has at most 64 parts/,
    },
    {
      name: 'with a field whose name has brackets',
      endpoint: withFields({ 'a[b]': projectId }),
      message: /body: a form cannot have the name a\[b\]/,
    },
    {
      name: 'with a parameter in params and in query',
      endpoint: withQuery({ project_id: projectId }),
      message: /project_id must be in params or in query, not in both/,
    },
    {
      name: 'with the query parameter that is ignored',
      endpoint: withQuery({ _: projectId }),
      message: /a parameter cannot be named _/,
    },
    {
      name: 'with an image that has the name of a field',
      endpoint: { ...base, body: { ...base.body, images: [{ name: 'name', description }] } },
      message: /body: the image name has the name of another part/,
    },
    {
      name: 'with two images of one name',
      endpoint: {
        ...base, body: { ...base.body, images: [{ name: 'logo', description }, { name: 'logo', description }] },
      },
      message: /body: the image logo has the name of another part/,
    },
    {
      name: 'with too many images',
      endpoint: {
        ...base,
        body: { ...base.body, images: Array.from({ length: 9 }, (_, index) => ({ name: `i${index}`, description })) },
      },
      message: /body: a form has at most 8 images/,
    },
    {
      name: 'with a record in a record and a lookup',
      endpoint: { ...base, body: nestedBody, lookup: { lists: [], matchField: 'name' } },
      message: /body: the lookup compares fields only, not records in the record/,
    },
    {
      name: 'with a restriction of the values of a record',
      endpoint: {
        ...base, body: { ...nestedBody, restrictions: [{ kind: 'values', fields: ['vendor'], values: new Set() }] },
      },
      message: /body: vendor has records, whose values cannot be restricted/,
    },
    {
      name: 'with two restrictions of a field',
      endpoint: {
        ...base,
        body: {
          ...base.body,
          restrictions: [
            { kind: 'operation', fields: ['name'], operation: 'x' },
            { kind: 'values', fields: ['name'], values: new Set() },
          ],
        },
      },
      message: /body: name has several restrictions/,
    },
    {
      name: 'with a dependency on an unknown field',
      endpoint: { ...base, body: { ...base.body, dependencies: [{ fields: ['nam'], check: () => undefined }] } },
      message: /body: a dependency names nam, which is not a field/,
    },
    {
      name: 'with a number without bounds',
      endpoint: withFields({ rate: Type.Number({ minimum: 0 }) }),
      message: /body rate: minimum and maximum must be between/,
    },
    {
      name: 'with an integer that would be rounded',
      endpoint: withFields({ rate: Type.Integer({ minimum: 0, maximum: 2 ** 53 }) }),
      message: /body rate: minimum and maximum must be between/,
    },
    {
      name: 'with a union',
      endpoint: withFields({ name: Type.Union([Type.String(), Type.Null()]) }),
      message: /body name: text cannot be converted to Union/,
    },
    {
      name: 'with a format that has no validator',
      endpoint: withFields({ born_on: Type.String({ format: 'time' }) }),
      message: /body born_on: the format time is unknown/,
    },
    {
      name: 'with a text whose length has no limit',
      endpoint: withFields({ a: Type.String(), b: Type.String({ pattern: '^[a-z]+$' }) }),
      message: new RegExp(`body a: maxLength must be ${textMaxBytes}; body b: maxLength must be`),
    },
    {
      name: 'with a format that accepts texts of any length',
      endpoint: withFields({ a: Type.String({ format: 'email' }), b: Type.String({ format: 'date-time' }) }),
      message: new RegExp(`body a: maxLength must be ${textMaxBytes}; body b: maxLength must be`),
    },
    {
      name: 'with a pattern that is not a regular expression',
      endpoint: withFields({ a: Type.String({ pattern: '(' }), b: Type.String({ pattern: '^\\-$' }) }),
      message: /body a: the pattern is not a regular expression.*; body b: the pattern is not a regular expression/,
    },
    {
      name: 'with a pattern for a part of the text',
      endpoint: withFields({ a: Type.String({ pattern: 'b' }), b: Type.String({ pattern: '^a|b$' }) }),
      message: /body a: the pattern must be for the whole text.*; body b: the pattern must be for the whole text/,
    },
    {
      name: 'with a pattern and a format that have no example',
      endpoint: withFields({
        a: Type.Array(Type.String({ pattern: '^[a-z]{1,9}$' }), { maxItems: listMaxItems }),
        b: Type.String({ format: 'date' }),
      }),
      message: /body a items: a format or a pattern needs an example; body b: a format or a pattern needs an example/,
    },
    {
      name: 'with examples that are not valid',
      endpoint: withFields({
        a: id({ description, examples: [1, '1'] }),
        b: ids({ description, examples: [1] }),
        c: Type.Object({ d: oneOf(['x'], { description, examples: ['y'] }) }),
        e: Type.Object({ d: text({ description }) }, { examples: [{}] }),
      }),
      message: /body a: each example .*; body b: each example .*; body c d: each example .*; body e: each example/,
    },
    {
      name: 'with a pattern that accepts NUL characters',
      endpoint: withFields({ a: Type.Optional(Type.String({ pattern: '^[^x]{0,5}$' })) }),
      message: /body a: the pattern must refuse NUL characters\.$/,
    },
    {
      name: 'with a required pattern that accepts a blank text',
      endpoint: withFields({ a: Type.String({ pattern: '^[ a-z]{0,5}$' }) }),
      message: /body a: the pattern must refuse a blank text/,
    },
    {
      name: 'with a text of a path that has no pattern',
      endpoint: withParams({ company_id: companyId, project_id: text({ description }) }),
      message: /params project_id: a text of a path needs a pattern/,
    },
    {
      name: 'with a text of a path that may be ..',
      endpoint: withParams({ company_id: companyId, project_id: Type.String({ pattern: '^[a-z.]{1,9}$' }) }),
      message: /params project_id: a text of a path needs a pattern that refuses/,
    },
    {
      name: 'with a text of a path that is longer than the router accepts',
      endpoint: withParams({ company_id: companyId, project_id: Type.String({ pattern: '^[a-z]{1,101}$' }) }),
      message: /params project_id: a text of a path needs a pattern that refuses/,
    },
    {
      name: 'with a blank text among several strings',
      endpoint: withFields({ a: oneOf(['a', ''], { description }) }),
      message: /body a: enum must have texts that are not blank/,
    },
    {
      name: 'with a type that is documented as another one',
      endpoint: withFields({ a: oneOf(['a', 'b'], { description, type: ['string', 'null'] }) }),
      message: /body a: type must be string/,
    },
    {
      name: 'with another maximum length',
      endpoint: withFields({ name: Type.String({ maxLength: 10 }) }),
      message: new RegExp(`body name: maxLength must be ${textMaxBytes}`),
    },
    {
      name: 'with a longer list than is accepted',
      endpoint: withQuery({ 'ids[]': Type.Array(Type.Integer(), { maxItems: listMaxItems + 1 }) }),
      message: new RegExp(`query ids\\[\\]: maxItems must be ${listMaxItems}`),
    },
    {
      name: 'that accepts unknown fields',
      endpoint: {
        ...base,
        body: { ...base.body, fields: Type.Object({}, { additionalProperties: true }) },
      },
      message: /body: unknown fields are always refused/,
    },
    ...[
      { keyword: 'minLength', field: Type.String({ minLength: 2 }) },
      { keyword: 'default', field: Type.String({ default: 'x' }) },
      { keyword: 'contentEncoding', field: Type.String({ contentEncoding: 'base64' }) },
      { keyword: 'minLength', field: oneOf(['a', 'b'], { description, minLength: 1 }) },
      { keyword: 'multipleOf', field: Type.Integer({ multipleOf: 2 }) },
      { keyword: 'exclusiveMinimum', field: Type.Integer({ exclusiveMinimum: 0 }) },
      { keyword: 'exclusiveMaximum', field: Type.Integer({ exclusiveMaximum: 9 }) },
      { keyword: 'multipleOf', field: Type.Number({ multipleOf: 0.01 }) },
      { keyword: 'nullable', field: Type.Boolean({ nullable: true }) },
    ].map(({ keyword, field }) => ({
      name: `with the keyword ${keyword} of ${String(field['type'])}`,
      endpoint: withFields({ field }),
      message: new RegExp(`body field: the keyword ${keyword} is not validated`),
    })),
    ...Object.entries({ uniqueItems: true, minItems: 1, contains: Type.Integer() }).map(([keyword, value]) => ({
      name: `with the keyword ${keyword} of a list`,
      endpoint: withQuery({ 'ids[]': Type.Array(Type.Integer(), { maxItems: listMaxItems, [keyword]: value }) }),
      message: new RegExp(`query ids\\[\\]: the keyword ${keyword} is not validated`),
    })),
    {
      name: 'with a minimum of properties',
      endpoint: { ...base, query: Type.Object({}, { minProperties: 1 }) },
      message: /query: the keyword minProperties is not validated/,
    },
  ]
  for (const { name, endpoint, message } of rows) {
    await t.test(name, async t => {
      await t.rejects(start(t, endpoint), { name: 'TypeError', message })
    })
  }
})

t.test('startup refuses two endpoints of one name, whose idempotency keys and scopes would be the same', async t => {
  const other = { ...base, path: `${base.path}/other`, procorePath: `${String(base.procorePath)}/other` }
  await t.rejects(start(t, base, other), { message: /Several endpoints have the name create-project-user\./ })
})

t.test('all faults of a description are reported together', async t => {
  const endpoint = withFields({ a: Type.String({ minLength: 1 }), b: Type.String({ format: 'time' }) })
  await t.rejects(start(t, endpoint), { message: /body a: .*; body b: / })
})
