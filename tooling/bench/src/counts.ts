import { attention } from '@seq/attention';
import { flashAttention } from '@seq/flash';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelState } from '@seq/lm';
import type { Mixer } from '@seq/nn';
import { gru, lstm } from '@seq/rnn';
import { compile, explain, key, randomInt, treeLeaves, zeros } from '@seq/tensor';
import type { Device, Plan, Tensor } from '@seq/tensor';
import { adamw, trainStep } from '@seq/train';
import { createRecording, loadKernels } from '@seq/webgpu-kernels';
import type { Recorded } from '@seq/webgpu-kernels';
import { mechanisms } from './mechanisms.js';

/** What a compiled, warm run of a model asks of a GPU. Exact: counted on a device that runs nothing. */
export interface CountRow {
  readonly model: string;
  readonly form: 'training step' | 'token';
  readonly device: string;
  readonly dispatches: number;
  readonly submits: number;
  /** Buffers, bind groups, pipelines and shader modules made. */
  readonly newObjects: number;
  /** Of the plan: arguments, results, temporaries. */
  readonly peakBytes: number;
  /** Most dispatches that the project allows itself; null where only submits and new objects are bounded. */
  readonly bar: number | null;
  /** Microseconds of this process for each dispatch, the fastest of some runs, or null; GPU calls cost nothing here. */
  readonly jsMicroseconds: number | null;
  /** What must be in memory at once, in bytes by name; null where nobody has derived it. */
  readonly mustKeep: Readonly<Record<string, number>> | null;
  /** What the plan says it runs. */
  readonly plan: string;
}

/** Most that a plan may hold, relative to what must be kept, and most time of JavaScript. */
export const bars = { peakBytes: 1.25, jsMicroseconds: 8 } as const;

/** Sizes of a model and of its batches. */
interface Size {
  readonly C: number;
  readonly layers: number;
  readonly B: number;
  readonly T: number;
}

const V = 65;
/** Width of a head. */
const D = 32;

function model(dModel: number, layers: number, make: (dModel: number) => Mixer): LanguageModel {
  const mixers = Array.from({ length: layers }, () => make(dModel));
  return languageModel({
    vocabSize: V,
    dModel,
    mixers: mixers as never,
    feedForward: { hidden: 4 * dModel },
  });
}

/** The models compared. A recurrent model has the size of the transformers beside it. */
const models: Readonly<Record<string, (dModel: number) => Mixer>> = {
  transformer: (dModel) => attention({ dModel, numHeads: dModel / D, rope: true }),
  'transformer, flash core': (dModel) =>
    attention({ dModel, numHeads: dModel / D, rope: true, core: flashAttention }),
  gru: (dModel) => gru({ dModel }),
  lstm: (dModel) => lstm({ dModel }),
};

/** Most dispatches of a transformer, and of one over flash attention; a recurrent model has to stay below both. */
const dispatchBars: Readonly<Record<CountRow['form'], readonly [plain: number, flash: number]>> = {
  'training step': [80, 72],
  token: [48, 42],
};

const bytesOf = (tree: unknown): number =>
  treeLeaves(tree).reduce((n, { size, dtype }) => n + size * (dtype === 'bool' ? 1 : 4), 0);

/**
 * What the backward pass of a pre-norm transformer needs of its forward pass, values of f32: of each layer the inputs
 * and results of both norms, queries and keys (turned) and values, the probabilities, the heads' outputs, the hidden
 * layer before its activation and behind; of the model the input and result of the last norm, and the logits.
 */
function activations({ C, layers, B, T }: Size): number {
  const perLayer = 2 * C + 2 * C + 3 * C + (C / D) * T + C + 2 * 4 * C;
  return 4 * B * T * (layers * perLayer + 2 * C + V);
}

const objects = (r: Recorded): number => r.buffers + r.bindGroups + r.pipelines + r.shaderModules;

type Counted = Pick<CountRow, 'dispatches' | 'submits' | 'newObjects' | 'jsMicroseconds'>;
type Planned = Counted & Pick<CountRow, 'peakBytes' | 'plan' | 'mustKeep'>;

/** Milliseconds of timing after which the engine has compiled what a small model runs; after 150 some rows still wait. */
const longEnough = 600;

/** Counts a warm run, and times at least as many as it is told. */
async function counted(device: Device, recorded: Recorded, run: () => void, timed: number): Promise<Counted> {
  for (let i = 0; i < 8 + timed; i++) {
    run();
    await settled(device);
  }
  const before = { ...recorded };
  run();
  await settled(device);
  const dispatches = recorded.dispatches - before.dispatches;
  const submits = recorded.submits - before.submits;
  const newObjects = objects(recorded) - objects(before);
  let fastest = Infinity;
  const began = performance.now();
  for (let i = 0; i < timed || (timed > 0 && performance.now() - began < longEnough); i++) {
    const start = performance.now();
    run();
    device.flush();
    fastest = Math.min(fastest, performance.now() - start);
    await settled(device);
  }
  const jsMicroseconds = timed === 0 ? null : (1000 * fastest) / dispatches;
  return { dispatches, submits, newObjects, jsMicroseconds };
}

async function trainingStep(lm: LanguageModel, size: Size, timed: number): Promise<Planned> {
  await loadKernels();
  const { device, recorded } = createRecording();
  const optimizer = adamw({ lr: 1e-3 });
  const step = trainStep(lm, optimizer);
  let params = lm.init(key(1, { device }), { device });
  let state = optimizer.init(params);
  const tokens = randomInt(key(2, { device }), [size.B, size.T + 1], { high: V });
  await Promise.all([...treeLeaves(params), tokens].map((t) => t.realize()));
  const plan: Plan = step.plan(params, state, tokens);
  const parameters = bytesOf(params);
  const mustKeep = {
    parameters,
    gradients: parameters,
    'optimiser state': bytesOf(state),
    activations: activations(size),
  };
  const counts = await counted(
    device,
    recorded,
    () => {
      const [p, s, metrics] = step(params, state, tokens);
      [params, state] = [p, s];
      for (const m of treeLeaves(metrics)) m.dispose();
    },
    timed,
  );
  return { ...counts, mustKeep, peakBytes: plan.peakBytes, plan: String(plan) };
}

async function token(lm: LanguageModel, _: Size, timed: number): Promise<Planned> {
  await loadKernels();
  const { device, recorded } = createRecording();
  const params = lm.init(key(1, { device }), { device });
  const advance = compile(
    (p: typeof params, id: Tensor, state: LanguageModelState): [Tensor, LanguageModelState] => {
      const [logits, next] = lm.step(p, id, state);
      return [logits.argMax(-1), next];
    },
    { donate: [1, 2] },
  );
  let state = lm.initState(1, { device, maxLength: 256 });
  let id = zeros([1], { device, dtype: 'i32' });
  await Promise.all([...treeLeaves(params), ...treeLeaves(state), id].map((t) => t.realize()));
  const plan = explain(advance, params, id, state);
  const counts = await counted(
    device,
    recorded,
    () => void ([id, state] = advance(params, id, state)),
    timed,
  );
  return { ...counts, mustKeep: null, peakBytes: plan.peakBytes, plan: String(plan) };
}

/** Lets shaders that are new be compiled and the rest of the work go out; asks for nothing itself. */
async function settled(device: Device): Promise<void> {
  device.flush();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

const forms = { 'training step': trainingStep, token } as const;

async function row(
  name: string,
  form: CountRow['form'],
  make: (dModel: number) => Mixer,
  size: Size,
  timed: number,
  bar: number | null,
): Promise<CountRow> {
  const { C, layers } = size;
  const counts = await forms[form](model(C, layers, make), size, timed);
  const title = `${name}, ${layers === 1 ? '1 layer' : `${layers} layers`} of ${C}`;
  // Only of transformers is it known what they keep.
  const mustKeep = name === 'transformer' ? counts.mustKeep : null;
  return { model: title, form, device: 'webgpu', bar, ...counts, mustKeep };
}

/** The compared models, with bars for their dispatches. */
export async function counts(timed: number = 20): Promise<CountRow[]> {
  const rows: CountRow[] = [];
  for (const [form, size] of [
    ['training step', { C: 128, layers: 2, B: 8, T: 128 }],
    ['token', { C: 256, layers: 4, B: 1, T: 256 }],
  ] as const) {
    let fewest = Infinity;
    for (const [name, make] of Object.entries(models)) {
      const isTransformer = name.startsWith('transformer');
      const bar = isTransformer ? dispatchBars[form][Number(name.includes('flash'))] : fewest - 1;
      const counted = await row(name, form, make, size, timed, bar);
      if (isTransformer) fewest = Math.min(fewest, counted.dispatches);
      rows.push(counted);
    }
  }
  return rows;
}

/** Every mechanism, small: what depends on sizes is not told, but submits and new objects are. */
export async function countsOfAll(timed: number = 20): Promise<CountRow[]> {
  const rows: CountRow[] = [];
  const size: Size = { C: 16, layers: 1, B: 2, T: 12 };
  for (const [name, make] of Object.entries(mechanisms))
    for (const form of ['training step', 'token'] as const)
      rows.push(await row(name, form, make, size, timed, null));
  return rows;
}

/** What of a row is above its bars, in words. */
export function findings(row: CountRow): string[] {
  const { dispatches, bar, submits, newObjects, jsMicroseconds, peakBytes, mustKeep } = row;
  const kept = mustKeep === null ? Infinity : Object.values(mustKeep).reduce((a, b) => a + b, 0);
  return [
    ...(bar !== null && dispatches > bar ? [`${dispatches} dispatches, at most ${bar}`] : []),
    ...(submits === 1 ? [] : [`${submits} submits, not 1`]),
    ...(newObjects === 0 ? [] : [`${newObjects} new objects, not 0`]),
    ...(jsMicroseconds === null || jsMicroseconds <= bars.jsMicroseconds
      ? []
      : [`${jsMicroseconds.toFixed(1)} µs of JavaScript a dispatch, at most ${bars.jsMicroseconds}`]),
    ...(peakBytes <= bars.peakBytes * kept
      ? []
      : [`peak ${(peakBytes / kept).toFixed(2)} of what must be kept, at most ${bars.peakBytes}`]),
  ];
}

const mebi = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

/** A row as text, the derivation of its peak below. */
export function countLine(row: CountRow): string {
  const { model, form, dispatches, bar, submits, newObjects, peakBytes, jsMicroseconds, mustKeep } = row;
  const verdict = findings(row).length === 0 ? 'ok' : 'ABOVE';
  const head =
    `${`${model}, ${form}`.padEnd(58)} ${String(dispatches).padStart(4)} dispatches${bar === null ? '' : ` (bar ${bar})`}, ` +
    `${submits} submits, ${newObjects} new objects, ${jsMicroseconds?.toFixed(1)} µs a dispatch, ${mebi(peakBytes)} ${verdict}`;
  if (mustKeep === null) return head;
  const parts = Object.entries(mustKeep);
  const sum = parts.reduce((n, [, bytes]) => n + bytes, 0);
  const terms = parts.map(([name, bytes]) => `${name} ${mebi(bytes)}`).join(' + ');
  return `${head}\n    must keep ${terms} = ${mebi(sum)}; peak is ${(peakBytes / sum).toFixed(3)} of it (bar ${bars.peakBytes})`;
}
