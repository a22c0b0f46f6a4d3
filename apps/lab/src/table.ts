/** A column of a plain text table: its heading and on which side its cells are aligned. */
export interface Column {
  readonly heading: string;
  readonly align: 'left' | 'right';
}

/** Column headings on the left for the first column and on the right for the others: a name, then numbers. */
export function columns(...headings: readonly string[]): Column[] {
  return headings.map((heading, i) => ({ heading, align: i === 0 ? 'left' : 'right' }));
}

/**
 * Lays rows out under their headings, two spaces between columns, a rule below the headings.
 * `null` in place of a row draws another rule. Headings may have several lines.
 */
export function formatTable(heads: readonly Column[], rows: readonly (readonly string[] | null)[]): string {
  const headings = heads.map((column) => column.heading.split('\n'));
  const height = Math.max(1, ...headings.map((lines) => lines.length));
  const widths = heads.map((_, i) =>
    Math.max(...headings[i].map(width), ...rows.map((row) => (row ? width(row[i] ?? '') : 0))),
  );
  const line = (cells: readonly string[]): string =>
    heads
      .map(({ align }, i) => {
        const space = ' '.repeat(widths[i] - width(cells[i] ?? ''));
        return align === 'left' ? (cells[i] ?? '') + space : space + (cells[i] ?? '');
      })
      .join('  ')
      .trimEnd();
  const rule = '─'.repeat(widths.reduce((sum, w) => sum + w + 2, -2));
  const head = Array.from({ length: height }, (_, k) =>
    line(headings.map((lines) => lines[k - height + lines.length] ?? '')),
  );
  return [...head, rule, ...rows.map((row) => (row ? line(row) : rule))].join('\n');
}

/** Characters on the screen, escape sequences for colours left out; every symbol used here is one column wide. */
function width(text: string): number {
  return [...text.replace(/\u001b\[[\d;]*m/g, '')].length;
}
