/** Writes a CSV file of generated people, which the import page offers as an example. */

const rowCount = 1_000
const jobTitles = ['Site Engineer', 'Project Manager', 'Quantity Surveyor', 'Foreman']
const columns = ['last_name', 'email_address', 'job_title', 'is_employee', 'employee_id', 'country_code', 'state_code']
/** Column names as people write them. */
const misspeltColumns = ['Last Name', 'email_adress', 'job', 'is_employee', 'Employee-ID', 'country', 'state_code']
/** Rows at these intervals have a mistake. */
const mistakeInterval = 100

/** @param hasMistakes whether to misspell columns and to break some rows */
export function sampleCsv (hasMistakes: boolean): string {
  const rows = Array.from({ length: rowCount }, (_, index) => {
    const cells = createCells(index + 1)
    return hasMistakes && (index + 1) % mistakeInterval === 0 ? breakCells(cells, index + 1) : cells
  })
  return [hasMistakes ? misspeltColumns : columns, ...rows].map(cells => `${cells.join(',')}\r\n`).join('')
}

function createCells (number: number): string[] {
  const digits = String(number).padStart(4, '0')
  const jobTitle = jobTitles[number % jobTitles.length] ?? ''
  return [`User ${digits}`, `user-${digits}@example.com`, jobTitle, 'TRUE', `E-${digits}`, 'US', 'CA']
}

function breakCells ([name = '', email = '', ...others]: readonly string[], number: number): string[] {
  switch (number / mistakeInterval % 4) {
    case 0: return [name, 'user-0001@example.com', ...others]
    case 1: return [name, email.replace('@', ' at '), ...others]
    case 2: return ['', email, ...others]
    default: return [name, email, ...others.slice(0, -1), 'ZZ']
  }
}
