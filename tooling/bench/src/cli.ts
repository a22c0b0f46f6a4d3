import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createCpu } from '@seq/tensor';
import type { Contender } from './contender.js';
import { countsCommand } from './counts-command.js';
import { enduranceCommand } from './endurance-command.js';
import type { DeviceKind } from './items.js';
import { items } from './items.js';
import { measure } from './measure.js';
import { memoriesCommand } from './memories-command.js';
import { page } from './page.js';
import { installWebGPU } from './platform.js';
import type { Row } from './measure.js';
import { composed, seq } from './seq.js';

const help = `bench --peers [--device cpu|webgpu] [--item NAME,NAME] [--quick] [--json FILE] [--page]
       bench --peers --from FILE,FILE --page
       bench --counts [--plans] [--peers] [--json FILE]
       bench --endurance [--device cpu|webgpu] [--tokens N] [--rows N] [--steps N]
       bench --memories [--device cpu|webgpu] [--T 8192] [--turns 3] [--json FILE]

--peers   times Seq beside its peers, in one process and in turns, one thread each; --page writes docs/performance.md,
          with --from of earlier runs. Items "beside composed" are timed beside Seq's own composed operations
--counts  counts what compiled models ask of a GPU, exactly; needs none, and fails when one is above its bars. --plans prints
          their kernels; --peers counts what other libraries ask of this machine's adapter
--memories  times forward and backward of linear attention and its kin beside flash attention; fails when one is slower
--endurance  trains 10,000 steps and generates a million tokens, 64 rows at a time, and looks whether anything grows

Items on the CPU: ${Object.keys(items.cpu).join(', ')}.
Items on WebGPU: ${Object.keys(items.webgpu).join(', ')}.`;

async function peersOn(device: DeviceKind): Promise<Contender[]> {
  const [{ ortNode, ortWeb }, { tfjs }, { jax }] = await Promise.all([
    import('./ort.js'),
    import('./tfjs.js'),
    import('./jax.js'),
  ]);
  if (device === 'webgpu') return [await jax('webgpu'), await tfjs('webgpu'), await ortWeb('webgpu')];
  return [await ortWeb('wasm'), await tfjs('wasm'), await jax('wasm'), await ortNode()];
}

/** Seq on a device, and its composed attention on the same. */
async function seqOn(device: DeviceKind): Promise<readonly [ours: Contender, composed: Contender]> {
  if (device === 'cpu') {
    const cpu = createCpu({ name: 'bench' });
    return [seq(cpu, `seq (${cpu.build})`), composed(cpu)];
  }
  installWebGPU();
  const { requestWebGPU } = await import('@seq/webgpu-kernels');
  let found = '';
  const gpu = await requestWebGPU({ log: (text) => void (found = text) });
  return [seq(gpu, `seq (${found})`), composed(gpu)];
}

/** The page that runs leave. */
const pageFile = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'docs', 'performance.md');

const ms = (t: number): string => t.toPrecision(3);

/** One row as a line: ours, the ratio with its bar, the peers. */
export function line({ item, ours, peers, ratio, bar, excluded }: Row): string {
  const list = [
    ...Object.entries(peers).map(([name, t]) => `${name} ${ms(t)}`),
    ...Object.entries(excluded).map(([name, why]) => `${name}: ${why}`),
  ];
  const verdict = ratio <= bar ? 'ok' : 'ABOVE';
  return `${item.padEnd(16)} ${ms(ours).padStart(6)} ms  ratio ${ratio.toFixed(2)} (bar ${bar}) ${verdict.padEnd(5)}  ${list.join(', ')}`;
}

/** The command; answers with the exit code. */
export async function main(args: readonly string[], print: (text: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'boolean', default: false },
      counts: { type: 'boolean', default: false },
      plans: { type: 'boolean', default: false },
      device: { type: 'string', default: 'cpu' },
      item: { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string' },
      page: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      endurance: { type: 'boolean', default: false },
      memories: { type: 'boolean', default: false },
      T: { type: 'string', default: '8192' },
      turns: { type: 'string', default: '3' },
      tokens: { type: 'string', default: '1000000' },
      rows: { type: 'string', default: '64' },
      steps: { type: 'string', default: '10000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  if (values.counts) {
    const { rows, findings } = await countsCommand(values, () => peersOn('webgpu'), print);
    if (values.json !== undefined) writeFileSync(resolve(values.json), `${JSON.stringify(rows, null, 2)}\n`);
    return findings.length === 0 ? 0 : 1;
  }
  if (values.from !== undefined) {
    const files = values.from.split(',').map((file) => readFileSync(resolve(file), 'utf8'));
    writeFileSync(pageFile, page(files.flatMap((text) => JSON.parse(text) as Row[])));
    return 0;
  }
  const { device } = values;
  if (device !== 'cpu' && device !== 'webgpu') {
    print(`bench: the device must be cpu or webgpu, got ${device}.\n\n${help}`);
    return 2;
  }
  if (values.endurance) {
    const [tokens, rows, steps] = [values.tokens, values.rows, values.steps].map(Number);
    return (await enduranceCommand(device, { tokens, rows, steps }, print)).length === 0 ? 0 : 1;
  }
  if (values.memories) {
    const rows = await memoriesCommand(device, { T: Number(values.T), turns: Number(values.turns) }, print);
    if (values.json !== undefined) writeFileSync(resolve(values.json), `${JSON.stringify(rows, null, 2)}\n`);
    return rows.every(({ ours, flash }) => ours < flash) ? 0 : 1;
  }
  const known = items[device];
  const names = values.item?.split(',') ?? Object.keys(known);
  const unknown = names.filter((name) => !(name in known));
  if (unknown.length > 0) {
    print(`bench: no item ${unknown.join(', ')}.\n\n${help}`);
    return 2;
  }
  const effort = values.quick ? { warmUp: 200, turns: 5, turn: 20 } : { warmUp: 1000, turns: 15, turn: 60 };
  const truth = seq(createCpu({ name: 'truth' }), 'truth');
  const [ours, own] = await seqOn(device);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'an unknown processor'}, Node ${process.versions.node}`;
  const run = `${ours.name}, ${new Date().toISOString().slice(0, 10)}, ${machine}`;
  const rows: Row[] = [];
  print(run);
  const threads = new Map<string, Row['threads']>();
  if (device === 'cpu') {
    const second = seq(createCpu({ threads: 2 }), 'seq, 2 threads');
    for (const name of names) {
      const due = known[name]();
      if (due.composed) continue;
      const row = await measure(due, [ours, second], truth, device, effort);
      const [one, two] = [row.ours, row.peers[second.name]];
      threads.set(name, { one, two });
      print(
        `${name.padEnd(16)} ${ms(one).padStart(6)} ms, ${ms(two)} ms on two threads: ${(one / two).toFixed(2)} times as fast`,
      );
    }
  }
  const contenders = [ours, ...(values.peers ? await peersOn(device) : [])];
  for (const name of names) {
    const due = known[name]();
    const row = await measure(due, due.composed ? [ours, own] : contenders, truth, device, effort, run);
    const both = threads.get(name);
    rows.push({ ...row, ...(both && { threads: both }) });
    print(line(row));
  }
  if (values.json !== undefined) {
    writeFileSync(resolve(values.json), `${JSON.stringify(rows, null, 2)}\n`);
  }
  if (values.page) writeFileSync(pageFile, page(rows));
  return 0;
}
