import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pageStyle } from './report-style.js';

/** What a report is made of. */
export interface Page {
  /** Plain text. */
  readonly title: string;
  /** HTML of the main part. */
  readonly body: string;
  /** What the script finds as JSON in the element `data`. */
  readonly data: unknown;
  /** Draws the charts; runs after Chart.js. */
  readonly script: string;
}

/**
 * A report: one HTML file that needs nothing beside it.
 *
 * Charts are drawn by Chart.js, which is copied into the file; all else is plain HTML and readable without scripts. A
 * content security policy in the page forbids it every request.
 */
export function renderPage({ title, body, data, script }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
${body}
</main>
<script type="application/json" id="data">${embedJson(data)}</script>
<script>${chartLibrary()}</script>
<script>${chartDefaults}${script}</script>
</body>
</html>
`;
}

/** How charts look on all pages, and a colour for each of the models of one. */
const chartDefaults = `
const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8a7b00', '#7a4fb5', '#c2185b', '#00838f', '#5d4037', '#8bc34a', '#283593', '#f48fb1'];
{
  const css = getComputedStyle(document.documentElement);
  Chart.defaults.color = css.getPropertyValue('--soft').trim();
  Chart.defaults.borderColor = css.getPropertyValue('--line').trim();
  Chart.defaults.font.family = 'system-ui, sans-serif';
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
}
`;

/** Text inside HTML. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** JSON inside a script element: no character in it can close the element. */
function embedJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** Chart.js as one script, its licence banner kept, the pointer to its source map dropped. */
function chartLibrary(): string {
  const require = createRequire(import.meta.url);
  return readFileSync(join(require.resolve('chart.js'), '..', 'chart.umd.min.js'), 'utf8').replace(
    /\n\/\/# sourceMappingURL=.*\s*$/,
    '\n',
  );
}

/** A table of plain text: one row of headings, then rows. */
export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]): string =>
    row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('');
  return `<div class="scroll"><table><thead><tr>${cells('th', head)}</tr></thead><tbody>${rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('')}</tbody></table></div>`;
}
