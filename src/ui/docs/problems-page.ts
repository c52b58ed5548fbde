/** Builds the page that the `type` of a problem refers to (RFC 9457 §3.1.1): one section for each problem code. */
import { problemCodes, problemTable, type ProblemCode } from '../../server/problem.ts'
import { outcomeMeanings, problemMeanings } from './problem-meanings.ts'

/** Returns the HTML of the page. */
export function buildProblemsPage (): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Problems · Procore backend for frontends</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/problems.css">
</head>
<body>
<header>
<p><a href="/docs">API reference</a></p>
<h1>Problems</h1>
<p>Every failure is <code>application/problem+json</code> (RFC 9457) with one of these codes.</p>
</header>
<nav aria-label="Codes"><ul>
${problemCodes.map(code => `<li><a href="#${code}"><code>${code}</code></a></li>`).join('\n')}
</ul></nav>
<main>
${problemCodes.map(buildSection).join('\n')}
<section id="outcomes">
<h2>Outcomes</h2>
<p>A change that failed after it passed validation has an <code>outcome</code>.</p>
<dl>
${Object.entries(outcomeMeanings).map(([outcome, { meaning, remedy }]) =>
  `<dt><code>${outcome}</code></dt>\n<dd>${toHtml(meaning)} <strong>${toHtml(remedy)}</strong></dd>`).join('\n')}
</dl>
</section>
</main>
</body>
</html>
`
}

function buildSection (code: ProblemCode): string {
  const { status, title } = problemTable[code]
  return `<section id="${code}">
<h2>${toHtml(title)}</h2>
<p><code>${code}</code> <span class="status">${code === 'procore_rejected' ? 'status of Procore' : status}</span></p>
<p>${toHtml(problemMeanings[code])}</p>
</section>`
}

/** Escapes text for HTML. Text in backquotes becomes code. */
function toHtml (text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return escaped.replaceAll(/`([^`]*)`/g, '<code>$1</code>')
}
