import { existsSync, globSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mixer } from '@seq/nn';
import { camelCase, needs } from './needs.js';

/** The size at which the tables state costs. */
export const at = { dModel: 64, T: 256 };

/** One mechanism of one room. */
export interface Mechanism {
  /** Folder of the room: `rnn`. */
  room: string;
  /** Folder of the mechanism: `ema`. */
  name: string;
  /** Builds the mixer at the size of the tables. */
  mixer: Mixer;
}

/** One line of the table, as numbers. */
export interface Row {
  name: string;
  entry: string;
  kind: string;
  link: string;
  params: number;
  state: number;
  forwardFlops: number;
  stepFlops: number;
}

/** Every mechanism of the repository that has a mixer, rooms and mechanisms in alphabetical order. */
export async function loadMechanisms(root: string): Promise<Mechanism[]> {
  const files = globSync('packages/*/src/*/mixer.ts', { cwd: root }).map((file) => file.split(sep).join('/'));
  const found: Mechanism[] = [];
  for (const file of files.sort()) {
    const [, room = '', , name = ''] = file.split('/');
    const index = join(root, 'packages', room, 'src', name, 'index.ts');
    if (!existsSync(index)) throw new Error(`packages/${room}/src/${name} has a mixer but no index.ts`);
    const names = (await import(pathToFileURL(index).href)) as Record<string, unknown>;
    const factory = names[camelCase(name)];
    if (typeof factory !== 'function') {
      throw new Error(`packages/${room}/src/${name}/index.ts exports no function ${camelCase(name)}`);
    }
    const mixer = (factory as (options: object) => Mixer)({ dModel: at.dModel, ...needs[name] });
    found.push({ room, name, mixer });
  }
  return found;
}

/** The costs of a mechanism: one row, B = 1. */
export function row({ room, name, mixer }: Mechanism): Row {
  const forward = mixer.cost({ B: 1, T: at.T, form: 'forward' });
  const step = mixer.causal ? mixer.cost({ B: 1, T: 1, form: 'step', past: at.T - 1 }) : undefined;
  return {
    name: camelCase(name),
    entry: `@seq/${room}/${name}`,
    kind: mixer.spec.kind,
    link: `packages/${room}/src/${name}/README.md`,
    params: forward.params,
    state: step?.stateFloats ?? Number.NaN,
    forwardFlops: forward.flops,
    stepFlops: step?.flops ?? Number.NaN,
  };
}

/** The Markdown table; links are written as seen from `folder` (`.` or `packages/rnn`). */
export function table(rows: readonly Row[], folder: string): string {
  if (rows.length === 0) return '_No mechanism yet._';
  const number = (value: number): string => (Number.isNaN(value) ? '–' : value.toLocaleString('en-US'));
  const link = (path: string): string => (folder === '.' ? path : path.replace(`${folder}/`, ''));
  const lines = rows.map((item) => {
    const cells = [
      `[\`${item.name}\`](${link(item.link)})`,
      `\`${item.entry}\``,
      `\`${item.kind}\``,
      number(item.params),
      number(item.state),
      number(item.forwardFlops),
      number(item.stepFlops),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| mechanism | import | kind | parameters | state, floats | FLOPs, train form | FLOPs, one step |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: |',
    ...lines,
    '',
    `At \`dModel\` ${at.dModel}, one sequence: the train form reads ${at.T} positions at once (forward only); state and step are those of position ${at.T}. From the mixers' own \`cost()\`, which the laws hold against the compiled plans.`,
  ].join('\n');
}
