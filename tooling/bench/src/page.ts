import type { Row } from './measure.js';

const ms = (t: number | undefined): string => (t === undefined ? '' : t.toPrecision(3));
const times = (t: number | undefined): string => (t === undefined ? '' : t.toFixed(2));

const native = 'onnxruntime-node';

function table(rows: readonly Row[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const peers = names.filter((name) => name !== native);
  const [threads, compiled] = [rows.some((row) => row.threads), names.includes(native)];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const head = ['item', 'Seq', ...peers, 'ratio', 'bar', ''];
  if (threads) head.push('2 threads', 'faster by');
  if (compiled) head.push(native, 'ratio to it');
  const body = rows.map((row) => {
    const verdict = row.ratio <= row.bar ? 'met' : 'not met';
    const cells = [row.item, ms(row.ours), ...peers.map((name) => ms(row.peers[name]))];
    cells.push(times(row.ratio), `${row.bar}`, verdict);
    const other = row.peers[native];
    const { one, two } = row.threads ?? { one: NaN };
    if (threads) cells.push(ms(two), times(two === undefined ? two : one / two));
    if (compiled) cells.push(ms(other), times(other === undefined ? other : row.ours / other));
    return line(cells);
  });
  return [line(head), line(head.map(() => '---')), ...body];
}

/** `docs/performance.md` of the rows of one or more runs, a section for each device. */
export function page(rows: readonly Row[]): string {
  const lines = [
    '# Performance',
    '',
    'Written by `pnpm bench --peers --from FILE --page` from what a run left in FILE (`--json FILE`); not to be edited.',
    '',
    'Milliseconds, medians. All libraries run in one process and in turns, each on one thread, warm; every value is compared',
    'before it is timed. The ratio is ours to the best peer of the same kind: WebAssembly on the CPU, WebGPU on WebGPU.',
    `${native} is native code with wider vectors, for comparison. Two threads take turns with one before the other`,
    'libraries are loaded.',
  ];
  for (const run of new Set(rows.map((row) => row.run)))
    lines.push('', `## ${run}`, '', ...table(rows.filter((row) => row.run === run)));
  const excluded = rows.flatMap((row) =>
    Object.entries(row.excluded).map(([name, why]) => `- ${row.item}, ${name}: ${why}`),
  );
  if (excluded.length > 0) lines.push('', 'Left out:', '', ...excluded);
  return `${lines.join('\n')}\n`;
}
