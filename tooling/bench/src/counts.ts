import { attention } from '@seq/attention';
import { languageModel } from '@seq/lm';
import type { LanguageModel, LanguageModelState } from '@seq/lm';
import type { Mixer } from '@seq/nn';
import { gru, lstm } from '@seq/rnn';
import { compile, explain, key, randomInt, treeLeaves, zeros } from '@seq/tensor';
import type { Device, Plan, Tensor } from '@seq/tensor';
import { adamw, trainStep } from '@seq/train';
import { createRecording } from '@seq/webgpu-kernels';
import type { Recorded } from '@seq/webgpu-kernels';

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
  /** Most dispatches that the project allows itself. */
  readonly bar: number;
  /** What the plan says it runs. */
  readonly plan: string;
}

const V = 65;

function model(dModel: number, mixers: Mixer[]): LanguageModel {
  return languageModel({
    vocabSize: V,
    dModel,
    mixers: mixers as never,
    feedForward: { hidden: 4 * dModel },
  });
}

const repeat = (n: number, make: () => Mixer): Mixer[] => Array.from({ length: n }, make);
const transformer = (C: number, layers: number): LanguageModel =>
  model(
    C,
    repeat(layers, () => attention({ dModel: C, numHeads: C / 32, rope: true })),
  );

/** The models counted. A recurrent model has the size of the transformer beside it. */
const models: Readonly<Record<string, (C: number, layers: number) => LanguageModel>> = {
  transformer,
  gru: (C, layers) =>
    model(
      C,
      repeat(layers, () => gru({ dModel: C })),
    ),
  lstm: (C, layers) =>
    model(
      C,
      repeat(layers, () => lstm({ dModel: C })),
    ),
};

const objects = (r: Recorded): number => r.buffers + r.bindGroups + r.pipelines + r.shaderModules;

async function counted(
  run: () => Promise<void>,
  recorded: Recorded,
): Promise<Pick<CountRow, 'dispatches' | 'submits' | 'newObjects'>> {
  for (let i = 0; i < 4; i++) await run();
  const before = { ...recorded };
  await run();
  return {
    dispatches: recorded.dispatches - before.dispatches,
    submits: recorded.submits - before.submits,
    newObjects: objects(recorded) - objects(before),
  };
}

async function trainingStep(name: string, lm: LanguageModel, bar: number): Promise<CountRow> {
  const { device, recorded } = createRecording();
  const optimizer = adamw({ lr: 1e-3 });
  const step = trainStep(lm, optimizer);
  let params = lm.init(key(1, { device }), { device });
  let state = optimizer.init(params);
  const tokens = randomInt(key(2, { device }), [8, 129], { high: V });
  await Promise.all([...treeLeaves(params), tokens].map((t) => t.realize()));
  let plan: Plan | null = null;
  const counts = await counted(async () => {
    plan ??= step.plan(params, state, tokens);
    const [p, s, metrics] = step(params, state, tokens);
    [params, state] = [p, s];
    for (const m of treeLeaves(metrics)) m.dispose();
    await settled(device);
  }, recorded);
  return {
    model: name,
    form: 'training step',
    device: 'webgpu',
    ...counts,
    peakBytes: plan!.peakBytes,
    bar,
    plan: String(plan),
  };
}

async function token(name: string, lm: LanguageModel, bar: number): Promise<CountRow> {
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
  let plan: Plan | null = null;
  const counts = await counted(async () => {
    plan ??= explain(advance, params, id, state);
    [id, state] = advance(params, id, state);
    await settled(device);
  }, recorded);
  return {
    model: name,
    form: 'token',
    device: 'webgpu',
    ...counts,
    peakBytes: plan!.peakBytes,
    bar,
    plan: String(plan),
  };
}

/** Lets shaders that are new be compiled and the rest of the work go out; asks for nothing itself. */
async function settled(device: Device): Promise<void> {
  device.flush();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** All rows. A recurrent model has to stay below the transformer of its size. */
export async function counts(): Promise<CountRow[]> {
  const rows: CountRow[] = [];
  for (const [measure, C, layers, bar] of [
    [trainingStep, 128, 2, 80],
    [token, 256, 4, 48],
  ] as const) {
    let limit: number = bar;
    for (const [name, make] of Object.entries(models)) {
      const row = await measure(`${name}, ${layers} layers of ${C}`, make(C, layers), limit);
      rows.push(row);
      if (name === 'transformer') limit = row.dispatches - 1;
    }
  }
  return rows;
}
