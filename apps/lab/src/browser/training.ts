import { countParams } from '@seq/nn';
import { cpu, disposeTree, key, SeqError, setDefaultDevice } from '@seq/tensor';
import type { Device } from '@seq/tensor';
import { randomCrops, startTraining, train } from '@seq/train';
import { decode, encode, splitText } from '../data.js';
import type { Split } from '../data.js';
import { openWebGPU } from '../device.js';
import type { DeviceName } from '../device.js';
import { optimizerOf, validate } from '../learning.js';
import { ngramFloors } from '../ngram.js';
import { modelOf, recipe } from '../recipes.js';
import { writeTokens } from '../write.js';
import type { Trained, TrainEvent, TrainRequest, Usage } from './protocol.js';

/** How many points the first so many steps have; after them the points of the curve lie ever wider. */
const DENSE_POINTS = 150;
/** How often held-out text is looked at. */
const VALIDATION_POINTS = 8;
/** Held-out characters that these look at. */
const VALIDATION_CHARACTERS = 4096;
/** Characters of the sample. */
const SAMPLE_CHARACTERS = 300;
/** Milliseconds between two messages about how it goes. */
const MESSAGE_INTERVAL = 100;

/** When to end: the training, and the writing after it. */
export interface Stops {
  readonly training: AbortSignal;
  readonly writing: AbortSignal;
}

/** Tells the page how it goes; waits while the page is far behind. */
type Tell = (event: TrainEvent) => Promise<void>;

interface Text {
  readonly split: Split;
  readonly floors: readonly { readonly name: string; readonly nats: number }[];
}

const texts = new Map<string, Text>();

/**
 * Trains a model from its beginning and lets it write, telling how it goes; when stopped it writes with what it has
 * learnt so far. Everything that it made on the device is gone afterwards.
 *
 * @throws Error  a text that does not arrive; whatever the model and the device refuse
 */
export async function trainInPage(request: TrainRequest, stops: Stops, tell: Tell): Promise<Trained> {
  await tell({ type: 'phase', phase: 'text' });
  const { split, floors } = await textAt(request.text);
  await tell({ type: 'phase', phase: 'device' });
  const opened = await openDevice(request.device);
  const { device } = opened;
  await tell({ type: 'device', device: opened.name, title: opened.title, notice: opened.notice });
  setDefaultDevice(device);
  try {
    return await run(request, { split, floors }, device, stops, tell);
  } finally {
    setDefaultDevice(cpu());
    opened.close();
  }
}

async function run(
  { model, steps, seed, prompt }: TrainRequest,
  { split, floors }: Text,
  device: Device,
  stops: Stops,
  tell: Tell,
): Promise<Trained> {
  const { vocabulary } = split;
  const usage = meter(device);
  const plan = recipe(model, vocabulary.symbols.length, { steps });
  const lm = modelOf(plan.spec);
  const optimizer = optimizerOf(plan, lm);
  const training = startTraining(lm, optimizer, { seed });
  const data = randomCrops(split.train, { B: plan.batch, T: plan.length, seed: seed + 2 });
  const draw = key(seed + 3);
  let [sum, count, told, seconds, measured] = [0, 0, 0, 0, 0];
  try {
    await tell({ type: 'started', parameters: countParams(training.params), floors });
    await tell({ type: 'phase', phase: 'compile' });
    const { finished, loss } = await train(lm, training, {
      data,
      optimizer,
      steps,
      clip: plan.clip,
      signal: stops.training,
      async onStep({ step, loss, tokensPerSecond, seconds: spent }) {
        usage.stepped();
        sum += loss;
        count++;
        seconds = spent;
        const last = step === steps;
        if (last || performance.now() - told > MESSAGE_INTERVAL) {
          told = performance.now();
          await tell({
            type: 'progress',
            step,
            loss,
            charactersPerSecond: tokensPerSecond,
            secondsLeft: ((steps - step) * spent) / step,
            usage: usage.read(),
          });
        }
        if (last || count >= step / DENSE_POINTS) {
          await tell({ type: 'point', step, loss: sum / count });
          [sum, count] = [0, 0];
        }
        if (isPoint(step, steps, VALIDATION_POINTS)) await measure(step, stops.training);
        usage.paused();
      },
    });
    await tell({ type: 'phase', phase: 'write' });
    if (measured < training.step) await measure(training.step, stops.writing);
    const tokens = writeTokens(lm, training.params, encode(vocabulary, prompt), {
      count: SAMPLE_CHARACTERS,
      window: plan.length,
      temperature: 0.8,
      key: draw,
      signal: stops.writing,
    });
    for await (const token of tokens) await tell({ type: 'written', text: decode(vocabulary, [token]) });
    return { step: training.step, loss, seconds, stopped: !finished, usage: usage.read() };
  } finally {
    data.dispose();
    draw.dispose();
    disposeTree([training.params, training.optState, training.key]);
  }

  async function measure(step: number, stop: AbortSignal): Promise<void> {
    const tokens = split.validation.subarray(0, VALIDATION_CHARACTERS + 1);
    const nats = await validate(lm, training.params, tokens, plan.length, stop);
    if (nats === undefined) return;
    measured = step;
    await tell({ type: 'validated', step, nats });
  }
}

/** True at `points` steps spread evenly over the run, the last one among them. */
function isPoint(step: number, steps: number, points: number): boolean {
  return Math.floor((step * points) / steps) > Math.floor(((step - 1) * points) / steps);
}

/** The text at an address, cut, encoded and counted; read once. */
async function textAt(address: string): Promise<Text> {
  const known = texts.get(address);
  if (known) return known;
  const response = await fetch(address);
  if (!response.ok)
    throw new Error(
      `the text must be at ${address}, got ${response.status} ${response.statusText}. Build the page again.`,
    );
  const split = splitText(await response.text());
  const counted = ngramFloors(split.tokens, split.cut, split.vocabulary.symbols.length);
  const floors = Object.entries(counted).map(([name, { nats }]) => ({ name, nats: nats as number }));
  const text = { split, floors };
  texts.set(address, text);
  return text;
}

interface Opened {
  readonly name: DeviceName;
  readonly device: Device;
  readonly title: string;
  readonly notice: string | null;
  close(): void;
}

/** The device asked for; the CPU, with a notice, where there is no WebGPU. */
async function openDevice(name: DeviceName): Promise<Opened> {
  const onCpu = (notice: string | null): Opened => ({
    name: 'cpu',
    device: cpu(),
    title: 'the CPU, one thread',
    notice,
    close() {},
  });
  if (name === 'cpu') return onCpu(null);
  try {
    const { device, title } = await openWebGPU();
    const notice = device.limits.software
      ? 'This WebGPU adapter is a program on the CPU, not a GPU. Its results are correct, but the CPU device is faster. For a quick look choose few steps.'
      : null;
    return { name, device, title, notice, close: () => device.dispose() };
  } catch (error) {
    if (!SeqError.is(error)) throw error;
    return onCpu(`No WebGPU here, so the CPU computes. ${error.message}`);
  }
}

interface Meter {
  /** A step has ended. */
  stepped(): void;
  /** What does not belong to a step has ended. */
  paused(): void;
  read(): Usage;
}

/** Counts what the device does from now on; the CPU device serves one training after another. */
function meter(device: Device): Meter {
  const count = (): number => {
    const { dispatches, kernels } = device.counters as { dispatches?: number; kernels: number };
    return dispatches ?? kernels;
  };
  const first = count();
  let [mark, stepWork] = [first, 0];
  device.resetPeak();
  return {
    stepped: () => (stepWork = count() - mark),
    paused: () => (mark = count()),
    read() {
      const { bytes, peakBytes } = device.memory();
      return { work: count() - first, stepWork, bytes, peakBytes };
    },
  };
}
